//! No two processes draw the same waits, however they came to be: started, or forked. A fork is a copy of all memory, which
//! is what a restored snapshot is, too: whatever keeps two forks apart comes from outside of the memory.

#![allow(unsafe_code)]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {
    println!("forked processes draw different waits ... not checked: there is no fork");
}

#[cfg(unix)]
mod unix {
    use std::cell::RefCell;
    use std::collections::HashSet;
    use std::env;
    use std::fs;
    use std::io;
    use std::path::PathBuf;
    use std::process::{self, Command};
    use std::time::Duration;

    use nix::sys::wait::waitpid;
    use nix::unistd::{ForkResult, fork};
    use persevere::testing::VirtualTimer;
    use persevere::{Backoff, Jitter, Policy, retry, retry_async, time::BlockingTimer};

    const POLICY: Policy = Policy::new().total(8);

    /// Writes down the waits, and ends them at once.
    #[derive(Default)]
    struct Waits(RefCell<Vec<Duration>>);

    impl BlockingTimer for Waits {
        fn now(&self) -> Duration {
            self.0.borrow().iter().sum()
        }

        fn sleep(&self, wait: Duration) {
            self.0.borrow_mut().push(wait);
        }
    }

    fn fails() -> io::Result<()> {
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// The waits of a few runs, through entry points of each kind and by hand. What is zero for everybody is left out.
    fn drawn() -> Vec<Duration> {
        let waits = Waits::default();
        let _ = retry(POLICY.timer(&waits), fails);
        for jitter in [Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(Duration::from_secs(9))] {
            let _ = retry(POLICY.jitter(jitter).timer(&waits), fails);
        }
        let timer = VirtualTimer::new();
        let run = POLICY.timer(&timer).on_retry(|event: persevere::Event<'_, io::Error>| waits.sleep(event.wait()));
        let _ = pollster::block_on(retry_async(run, || async { fails() }));
        for jitter in [Jitter::Full, Jitter::Equal] {
            Backoff::new(Duration::from_millis(300)).jitter(jitter).take(8).for_each(|wait| waits.sleep(wait));
        }
        waits.0.into_inner().into_iter().filter(|wait| !wait.is_zero()).collect()
    }

    fn written(path: &PathBuf) -> Vec<Duration> {
        let text = fs::read_to_string(path).unwrap();
        fs::remove_file(path).unwrap();
        text.lines().map(|line| Duration::from_nanos(line.parse().unwrap())).collect()
    }

    fn write(path: &PathBuf, waits: &[Duration]) {
        let lines: Vec<_> = waits.iter().map(|wait| wait.as_nanos().to_string()).collect();
        fs::write(path, lines.join("\n")).unwrap();
    }

    fn path(name: &str) -> PathBuf {
        env::temp_dir().join(format!("persevere-{}-{name}", process::id()))
    }

    #[track_caller]
    fn assert_no_two_alike(what: &str, processes: &[Vec<Duration>]) {
        let all: Vec<_> = processes.iter().flatten().collect();
        let different: HashSet<_> = all.iter().collect();
        // Additive jitter and the first wait of the others have ranges of at least 0.3 s in nanoseconds: two of a
        // few hundred draws may meet once in ten thousand runs, but not twice.
        assert!(processes.iter().all(|waits| waits.len() > 40), "{what}: {processes:?}");
        assert!(all.len() - different.len() < 2, "{what}: {processes:?}");
        println!("{what} draw different waits ... ok");
    }

    /// Draws in four children of this process, and in itself.
    fn forked() -> Vec<Vec<Duration>> {
        let mut all = Vec::new();
        for number in 0..4 {
            let file = path(&format!("child-{number}"));
            // SAFETY: this process has one thread, so the child may do anything.
            match unsafe { fork() }.unwrap() {
                ForkResult::Child => {
                    write(&file, &drawn());
                    process::exit(0);
                }
                ForkResult::Parent { child } => {
                    waitpid(child, None).unwrap();
                    all.push(written(&file));
                }
            }
        }
        all.push(drawn());
        all
    }

    pub(crate) fn main() {
        if let Some(file) = env::var_os("PERSEVERE_DRAW_INTO") {
            write(&PathBuf::from(file), &drawn());
            return;
        }
        assert_no_two_alike("forked processes", &forked());
        // Whatever a process remembers of its first draws, its children have it, too.
        let before = drawn();
        let mut after = forked();
        after.push(before);
        assert_no_two_alike("processes forked after the first draw", &after);
        let started = (0..4).map(|number| {
            let file = path(&format!("started-{number}"));
            let status = Command::new(env::current_exe().unwrap()).env("PERSEVERE_DRAW_INTO", &file).status().unwrap();
            assert!(status.success());
            written(&file)
        });
        assert_no_two_alike("started processes", &started.collect::<Vec<_>>());
    }
}
