//! Downloads that go on where they broke, against real servers on loopback.

mod course;
mod files;
mod origin;
mod random;
mod rows;
