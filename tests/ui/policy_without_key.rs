use persevere::{Policy, retry};
use std::io;

const POLICY: Policy = Policy::new();

mod config {
    pub const POLICY: persevere::Policy = persevere::Policy::new();
}

fn house_policy() -> Policy {
    POLICY
}

#[retry(POLICY)]
fn name() -> io::Result<u32> {
    Ok(1)
}

#[retry(total = 3, POLICY)]
fn beside() -> io::Result<u32> {
    Ok(1)
}

#[retry(house_policy())]
fn call() -> io::Result<u32> {
    Ok(1)
}

#[retry(config::POLICY)]
fn path() -> io::Result<u32> {
    Ok(1)
}

#[retry(Policy::new().total(3), within = 5)]
fn built() -> io::Result<u32> {
    Ok(1)
}

#[retry(POLICY.total(3))]
fn changed() -> io::Result<u32> {
    Ok(1)
}

#[retry(&POLICY)]
fn borrowed() -> io::Result<u32> {
    Ok(1)
}

#[retry(policy)]
fn key_alone() -> io::Result<u32> {
    Ok(1)
}

fn main() {
    let _ = (name(), beside(), call(), path(), built(), changed(), borrowed(), key_alone(), house_policy(), config::POLICY);
}
