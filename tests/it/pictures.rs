//! The pictures, and that those in `docs/` are up to date.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io};

use persevere::{Jitter, Policy, Report};
use svg::node::element::tag::{self, Type};
use svg::parser::Event;

use crate::ROOT;
use crate::support::secs;

#[allow(dead_code)]
#[path = "../../examples/jitter.rs"]
mod jitter;
#[allow(dead_code, unexpected_cfgs)] // The example asks whether the crate has its feature `terminal`.
#[path = "../../examples/timeline.rs"]
mod timeline;

/// Compares a picture with the one that is checked in; writes it if `PERSEVERE_BLESS` is set.
fn up_to_date(name: &str, picture: &str) {
    let path = Path::new(ROOT).join("docs").join(name);
    if env::var_os("PERSEVERE_BLESS").is_some() {
        fs::write(&path, picture).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    // Line ends are the checkout's matter.
    let same = kept.lines().eq(picture.lines());
    assert!(same, "docs/{name} is stale: run `PERSEVERE_BLESS=1 cargo test -p tests-it pictures`, and look at it");
}

#[test]
fn the_timeline_s_picture_is_up_to_date() {
    up_to_date("timeline.svg", &timeline::picture());
}

#[test]
fn the_jitter_s_picture_is_up_to_date() {
    up_to_date("jitter.svg", &jitter::picture());
}

/// A text of a picture: where it begins, where it ends, on which line.
#[derive(Debug)]
struct Label {
    from: f64,
    to: f64,
    y: f64,
    text: String,
}

/// All texts of a picture; a character of the monospaced font of 12 px is at most 7.3 px wide.
fn labels(picture: &str) -> Vec<Label> {
    let mut labels = Vec::new();
    let (mut place, mut shift) = (None, (0.0, 0.0));
    for event in svg::read(picture).unwrap() {
        match event {
            Event::Tag(tag::Group, Type::Start, attributes) => {
                let place = attributes["transform"].trim_start_matches("translate(").trim_end_matches(')').to_owned();
                let (x, y) = place.split_once(' ').unwrap();
                shift = (x.parse().unwrap(), y.parse().unwrap());
            }
            Event::Tag(tag::Group, Type::End, _) => shift = (0.0, 0.0),
            Event::Tag(tag::Text, Type::Start, attributes) => {
                let attributes: BTreeMap<_, _> = attributes.into_iter().map(|(k, v)| (k, v.to_string())).collect();
                place = Some(attributes);
            }
            Event::Tag(tag::Text, Type::End, _) => place = None,
            Event::Text(text) => {
                let Some(place) = &place else { continue };
                let (x, y): (f64, f64) = (place["x"].parse().unwrap(), place["y"].parse().unwrap());
                let text = text.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                let wide = text.chars().count() as f64 * 7.3;
                let from = x - match place.get("text-anchor").map(String::as_str) {
                    Some("middle") => wide / 2.0,
                    Some("end") => wide,
                    _ => 0.0,
                };
                let (from, y) = (from + shift.0, y + shift.1);
                labels.push(Label { from, to: from + wide, y, text });
            }
            _ => {}
        }
    }
    labels.retain(|label| !label.text.is_empty());
    labels
}

fn no_labels_overlap(picture: &str) {
    let labels = labels(picture);
    assert!(labels.len() > 1, "{picture}");
    for (index, one) in labels.iter().enumerate() {
        assert!(one.from >= 0.0 && one.to <= 960.0, "{one:?} leaves the picture");
        for other in &labels[..index] {
            let apart = (one.y - other.y).abs() >= 14.0 || one.from >= other.to || other.from >= one.to;
            assert!(apart, "{one:?} lies over {other:?}");
        }
    }
}

/// A report of so many failures.
fn failures(count: u32, text: &str) -> Report {
    let timer = persevere::testing::VirtualTimer::new();
    let mut report = Report::new();
    let policy = Policy::new().total(count - 1).seed(1).when(|_: &io::Error| true).timer(&timer);
    let outcome = policy.report(&mut report).run(|| {
        timer.advance(secs(1));
        Err::<(), _>(io::Error::other(text.to_owned()))
    });
    assert!(outcome.is_err());
    report
}

#[test]
fn labels_do_not_overlap() {
    no_labels_overlap(&timeline::picture());
    no_labels_overlap(&jitter::picture());
    for count in [1, 2, 8, 9, 30, 200_000] {
        no_labels_overlap(&failures(count, &"a long tale ".repeat(20)).timeline().to_svg());
    }
    for total in [1, 3, 10, 11, 4_000_000, u32::MAX] {
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(secs(1))] {
            for policy in [Policy::new(), Policy::new().within(secs(77)).connect(3).idempotent(false)] {
                no_labels_overlap(&policy.total(total).jitter(jitter).forecast().to_svg());
            }
        }
    }
}

#[test]
fn axes_are_named_with_their_unit() {
    let named =
        |picture: &str, name: &str| assert!(labels(picture).iter().any(|label| label.text == name), "{picture}");
    named(&failures(1, "x").timeline().to_svg(), "time since the start (milliseconds)");
    named(&failures(8, "x").timeline().to_svg(), "time since the start (seconds)");
    named(&failures(1000, "x").timeline().to_svg(), "time since the start (hours)");
    named(&Policy::new().forecast().to_svg(), "wait (milliseconds)");
    named(&Policy::new().total(9).forecast().to_svg(), "wait (seconds)");
    named(&jitter::picture(), "wait (seconds)");
}

#[test]
fn a_picture_has_a_ground_and_colours_for_light_and_dark() {
    for picture in [timeline::picture(), jitter::picture(), Policy::new().forecast().to_svg()] {
        assert!(picture.contains("class=\"ground\"") && picture.contains("@media(prefers-color-scheme:dark)"));
    }
}

#[test]
fn the_text_of_an_error_cannot_forge_a_picture() {
    let report = failures(1, "</text><script>alert(1)</script>\u{1b}\u{0}\u{fffe} & \"quoted\"");
    let picture = report.timeline().to_svg();
    assert!(!picture.contains("<script") && picture.contains("&lt;/text&gt;&lt;script&gt;"), "{picture}");
    assert!(picture.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{fffe}'));
}

#[test]
fn nothing_that_ran_is_a_picture_too() {
    for picture in [Report::new().timeline().to_svg(), Policy::new().total(0).forecast().to_svg()] {
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"), "{picture}");
    }
}
