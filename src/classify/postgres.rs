use crate::tables;
use crate::verdict::Verdict;

/// The verdict on an error that came over PostgreSQL's protocol. PgBouncer says nearly all of its own with one code, and
/// is told from PostgreSQL by the missing `routine`.
pub(super) fn answered(code: &str, message: &str, names_routine: impl FnOnce() -> bool) -> Verdict {
    if code == "08P01" && !names_routine() { tables::pgbouncer(message) } else { tables::sqlstate(code) }
}
