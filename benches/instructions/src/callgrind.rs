//! Runs the cases under callgrind, and reads the inclusive cost of each.

use std::collections::HashMap;
use std::process::Command;
use std::{env, fs, process};

use crate::cases::{CALLS, all};

/// Instructions of one call of each case.
pub type Costs = HashMap<&'static str, f64>;

pub fn costs(failures: u64, polls: u64) -> Result<Costs, String> {
    let program = env::current_exe().map_err(|error| format!("no path of this program: {error}"))?;
    let out = env::temp_dir().join(format!("persevere-callgrind-{}", process::id()));
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--demangle=no", "-q"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args([failures.to_string(), polls.to_string()])
        .status()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    if !status.success() {
        return Err(format!("the cases failed under valgrind: {status}"));
    }
    let text = fs::read_to_string(&out).map_err(|error| format!("callgrind wrote nothing: {error}"))?;
    let _ = fs::remove_file(&out);
    inclusive(&text)
}

/// Adds up the cost of the calls to each case. A `cfn=` line names the callee, the line after `calls=` has the cost;
/// a name is written once as `(id) name`, then as `(id)`.
fn inclusive(text: &str) -> Result<Costs, String> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut callee = None;
    let mut sums: HashMap<&str, u64> = HashMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (id, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(id, name);
            }
            if line.starts_with('c') {
                callee = names.get(id).copied();
            }
        } else if line.starts_with("calls=") {
            let cost =
                lines.next().and_then(|line| line.split(' ').next_back()).and_then(|cost| cost.parse::<u64>().ok());
            let (Some(callee), Some(cost)) = (callee, cost) else { continue };
            let sum: &mut u64 = sums.entry(callee).or_default();
            *sum += cost;
        }
    }
    let mut costs = Costs::new();
    for &(case, function) in all() {
        // Cases that compile to the same code are one function, under the name of one of them.
        let names = all().filter(|(_, other)| std::ptr::fn_addr_eq(*other, function)).map(|(name, _)| name);
        let mangled: Vec<_> = names.map(|name| format!("{}{name}17h", name.len())).collect();
        let is_case = |symbol: &str| mangled.iter().any(|name| symbol.contains(name));
        let found: Vec<_> = sums.iter().filter(|(symbol, _)| is_case(symbol)).collect();
        match found[..] {
            [(_, &sum)] => costs.insert(case, sum as f64 / (CALLS as usize * mangled.len()) as f64),
            _ => return Err(format!("{} functions are called `{case}`", found.len())),
        };
    }
    Ok(costs)
}
