use std::process::ExitCode;
use crate::callgrind::costs;
use crate::cases::CASES;
pub fn report() -> Result<ExitCode, String> {
    let (c0,c2,c6,p1,p11) = (costs(0,0)?,costs(2,0)?,costs(6,0)?,costs(0,1)?,costs(0,11)?);
    println!("{:32} {:>8} {:>8} {:>8}", "case", "first", "a retry", "a poll");
    for (name, _) in CASES { println!("{name:32} {:8.1} {:8.1} {:8.1}", c0[name], (c6[name]-c2[name])/4.0, (p11[name]-p1[name])/10.0); }
    Ok(ExitCode::SUCCESS)
}
