//! What to write instead of a name that is no time zone: an offset, an abbreviation, a city, a misspelled name.
//!
//! A hint must not lead to another time. The names `Etc/GMT±n` have the opposite sign of the offset, so they are offered only by their
//! meaning.

use crate::domain::wording::{did_you_mean, one_of};

const EXAMPLE: &str = "Time zones are named by region and city, such as Europe/Berlin.";
const MAX_SUGGESTIONS: usize = 3;

/// Places with a standard time of that many minutes from UTC.
const PLACES: [(i32, &str); 38] = [
    (-660, "Pacific/Pago_Pago"),
    (-600, "Pacific/Honolulu"),
    (-570, "Pacific/Marquesas"),
    (-540, "America/Anchorage"),
    (-480, "America/Los_Angeles"),
    (-420, "America/Denver"),
    (-360, "America/Chicago"),
    (-300, "America/New_York"),
    (-240, "America/Halifax"),
    (-210, "America/St_Johns"),
    (-180, "America/Sao_Paulo"),
    (-120, "America/Noronha"),
    (-60, "Atlantic/Cape_Verde"),
    (60, "Europe/Berlin"),
    (120, "Europe/Athens"),
    (180, "Africa/Nairobi"),
    (210, "Asia/Tehran"),
    (240, "Asia/Dubai"),
    (270, "Asia/Kabul"),
    (300, "Asia/Karachi"),
    (330, "Asia/Kolkata"),
    (345, "Asia/Kathmandu"),
    (360, "Asia/Dhaka"),
    (390, "Asia/Yangon"),
    (420, "Asia/Bangkok"),
    (480, "Asia/Singapore"),
    (525, "Australia/Eucla"),
    (540, "Asia/Tokyo"),
    (570, "Australia/Darwin"),
    (600, "Australia/Brisbane"),
    (630, "Australia/Lord_Howe"),
    (660, "Pacific/Noumea"),
    (720, "Pacific/Auckland"),
    (765, "Pacific/Chatham"),
    (780, "Pacific/Tongatapu"),
    (840, "Pacific/Kiritimati"),
    (-720, "Etc/GMT+12"),
    (0, "Africa/Abidjan"),
];

/// Abbreviations, as people and operating systems use them. One that several places use names them all.
const ABBREVIATIONS: [(&str, &[&str]); 58] = [
    ("pst", &["America/Los_Angeles"]),
    ("pdt", &["America/Los_Angeles"]),
    ("pt", &["America/Los_Angeles"]),
    ("pacific", &["America/Los_Angeles"]),
    ("mdt", &["America/Denver"]),
    ("mt", &["America/Denver"]),
    ("mountain", &["America/Denver"]),
    ("cst", &["America/Chicago", "Asia/Shanghai"]),
    ("cdt", &["America/Chicago"]),
    ("ct", &["America/Chicago"]),
    ("central", &["America/Chicago"]),
    ("edt", &["America/New_York"]),
    ("et", &["America/New_York"]),
    ("eastern", &["America/New_York"]),
    ("akst", &["America/Anchorage"]),
    ("akdt", &["America/Anchorage"]),
    ("hdt", &["America/Adak"]),
    ("ast", &["America/Halifax", "Asia/Riyadh"]),
    ("adt", &["America/Halifax"]),
    ("nst", &["America/St_Johns"]),
    ("ndt", &["America/St_Johns"]),
    ("brt", &["America/Sao_Paulo"]),
    ("art", &["America/Argentina/Buenos_Aires"]),
    ("clt", &["America/Santiago"]),
    ("cot", &["America/Bogota"]),
    ("bst", &["Europe/London", "Asia/Dhaka"]),
    ("ist", &["Asia/Kolkata", "Asia/Jerusalem", "Europe/Dublin"]),
    ("idt", &["Asia/Jerusalem"]),
    ("west", &["Europe/Lisbon"]),
    ("cest", &["Europe/Berlin", "Europe/Paris"]),
    ("mez", &["Europe/Berlin"]),
    ("mesz", &["Europe/Berlin"]),
    ("eest", &["Europe/Athens", "Europe/Helsinki"]),
    ("msk", &["Europe/Moscow"]),
    ("trt", &["Europe/Istanbul"]),
    ("sast", &["Africa/Johannesburg"]),
    ("wat", &["Africa/Lagos"]),
    ("cat", &["Africa/Maputo"]),
    ("eat", &["Africa/Nairobi"]),
    ("gst", &["Asia/Dubai"]),
    ("pkt", &["Asia/Karachi"]),
    ("npt", &["Asia/Kathmandu"]),
    ("ict", &["Asia/Bangkok"]),
    ("wib", &["Asia/Jakarta"]),
    ("sgt", &["Asia/Singapore"]),
    ("hkt", &["Asia/Hong_Kong"]),
    ("pht", &["Asia/Manila"]),
    ("jst", &["Asia/Tokyo"]),
    ("kst", &["Asia/Seoul"]),
    ("awst", &["Australia/Perth"]),
    ("acst", &["Australia/Adelaide", "Australia/Darwin"]),
    ("acdt", &["Australia/Adelaide"]),
    ("aest", &["Australia/Sydney", "Australia/Brisbane"]),
    ("aedt", &["Australia/Sydney"]),
    ("nzst", &["Pacific/Auckland"]),
    ("nzdt", &["Pacific/Auckland"]),
    ("z", &["UTC"]),
    ("zulu time", &["UTC"]),
];

/// Large cities that have the time of another one.
const CITIES: [(&str, &str); 35] = [
    ("mumbai", "Asia/Kolkata"),
    ("delhi", "Asia/Kolkata"),
    ("new_delhi", "Asia/Kolkata"),
    ("bangalore", "Asia/Kolkata"),
    ("bengaluru", "Asia/Kolkata"),
    ("chennai", "Asia/Kolkata"),
    ("beijing", "Asia/Shanghai"),
    ("shenzhen", "Asia/Shanghai"),
    ("hanoi", "Asia/Ho_Chi_Minh"),
    ("osaka", "Asia/Tokyo"),
    ("abu_dhabi", "Asia/Dubai"),
    ("islamabad", "Asia/Karachi"),
    ("san_francisco", "America/Los_Angeles"),
    ("seattle", "America/Los_Angeles"),
    ("las_vegas", "America/Los_Angeles"),
    ("boston", "America/New_York"),
    ("washington", "America/New_York"),
    ("miami", "America/New_York"),
    ("atlanta", "America/New_York"),
    ("philadelphia", "America/New_York"),
    ("houston", "America/Chicago"),
    ("dallas", "America/Chicago"),
    ("austin", "America/Chicago"),
    ("rio_de_janeiro", "America/Sao_Paulo"),
    ("brasilia", "America/Sao_Paulo"),
    ("munich", "Europe/Berlin"),
    ("hamburg", "Europe/Berlin"),
    ("frankfurt", "Europe/Berlin"),
    ("cologne", "Europe/Berlin"),
    ("milan", "Europe/Rome"),
    ("barcelona", "Europe/Madrid"),
    ("geneva", "Europe/Zurich"),
    ("manchester", "Europe/London"),
    ("edinburgh", "Europe/London"),
    ("cape_town", "Africa/Johannesburg"),
];

/// Names that Windows uses, without `Standard Time`.
const WINDOWS: [(&str, &str); 16] = [
    ("pacific", "America/Los_Angeles"),
    ("mountain", "America/Denver"),
    ("central", "America/Chicago"),
    ("eastern", "America/New_York"),
    ("gmt", "Europe/London"),
    ("w. europe", "Europe/Berlin"),
    ("romance", "Europe/Paris"),
    ("central europe", "Europe/Budapest"),
    ("central european", "Europe/Warsaw"),
    ("e. south america", "America/Sao_Paulo"),
    ("india", "Asia/Kolkata"),
    ("china", "Asia/Shanghai"),
    ("tokyo", "Asia/Tokyo"),
    ("singapore", "Asia/Singapore"),
    ("arabian", "Asia/Dubai"),
    ("aus eastern", "Australia/Sydney"),
];

/// Why a name is no time zone, and what to write instead. `names` are the known names.
pub(super) fn explain(name: &str, names: impl FnOnce() -> Vec<String>) -> (String, String) {
    let written = name.trim().to_lowercase();
    if written.is_empty() {
        let hint = "Leave it out for UTC, or name a time zone, such as Europe/Berlin.";
        return ("The time zone is empty.".to_owned(), hint.to_owned());
    }
    if let Some(minutes) = offset(&written) {
        let detail = format!("{name:?} is an offset, not a time zone: it does not say when clocks change.");
        return (detail, instead_of(minutes));
    }
    let detail = format!("There is no time zone named {name:?}.");
    let known = abbreviation(&written).or_else(|| city(&written)).or_else(|| nearest(&written, names()));
    (detail, known.unwrap_or_else(|| EXAMPLE.to_owned()))
}

/// The minutes of `UTC+2`, `GMT-05:30` or `+0200`.
fn offset(written: &str) -> Option<i32> {
    let rest = written.strip_prefix("etc/utc").or_else(|| written.strip_prefix("utc"));
    let rest = rest.or_else(|| written.strip_prefix("gmt")).unwrap_or(written).trim_start();
    let (sign, digits) = match rest.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, rest.strip_prefix(['-', '\u{2212}', '\u{2013}'])?),
    };
    let (hours, minutes) = match digits.trim().split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits.trim(), "0"),
    };
    let number = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i32>().ok()).flatten()
    };
    Some(sign * (number(hours)? * 60 + number(minutes)?))
}

fn instead_of(minutes: i32) -> String {
    if minutes == 0 {
        return "Write UTC.".to_owned();
    }
    let place = PLACES.iter().find(|(known, place)| *known == minutes && !place.starts_with("Etc/"));
    let hours = minutes / 60;
    let fixed = (minutes % 60 == 0 && (-12..=14).contains(&hours))
        .then(|| format!("Etc/GMT{:+}, which is UTC{hours:+} all year", -hours));
    match (place, fixed) {
        (Some((_, place)), Some(fixed)) => format!("Name the place, such as {place}, or write {fixed}."),
        (Some((_, place)), None) => format!("Name the place, such as {place}."),
        (None, Some(fixed)) => format!("Write {fixed}."),
        (None, None) => EXAMPLE.to_owned(),
    }
}

fn abbreviation(written: &str) -> Option<String> {
    let windows = ["standard time", "daylight time", "time"].iter().find_map(|end| written.strip_suffix(end));
    if let Some(name) = windows.map(str::trim)
        && let Some((_, zone)) = WINDOWS.iter().find(|(known, _)| *known == name)
    {
        return Some(did_you_mean(zone));
    }
    let (_, zones) = ABBREVIATIONS.iter().find(|(known, _)| *known == written)?;
    Some(format!("Name the place: {}.", one_of(*zones)))
}

fn city(written: &str) -> Option<String> {
    let written = written.replace([' ', '-'], "_");
    let (_, zone) = CITIES.iter().find(|(known, _)| *known == last_part(&written))?;
    Some(did_you_mean(zone))
}

/// The names that are very few letters away, the nearest only.
fn nearest(written: &str, names: Vec<String>) -> Option<String> {
    let written = written.replace(' ', "_");
    let of_places = names.into_iter().filter(|name| name.contains('/') && !name.starts_with("Etc/"));
    let scored: Vec<(usize, String)> =
        of_places.filter_map(|name| Some((distance(&written, &name)?, name))).collect();
    let least = scored.iter().map(|(distance, _)| *distance).min()?;
    let near = scored.into_iter().filter(|(distance, _)| *distance == least).map(|(_, name)| name);
    let near: Vec<String> = near.take(MAX_SUGGESTIONS).collect();
    Some(did_you_mean(&one_of(near)))
}

/// How many letters differ; `None` if they are too many. The city counts as much as the whole name, because users write `Berlin`.
fn distance(written: &str, zone: &str) -> Option<usize> {
    let zone = zone.to_lowercase();
    let near = |a: &str, b: &str| {
        let shorter = a.chars().count().min(b.chars().count());
        let max = if shorter < 5 { 0 } else { (shorter / 4).min(2) };
        Some(strsim::osa_distance(a, b)).filter(|distance| *distance <= max)
    };
    let whole = near(written, &zone);
    let city = near(last_part(written), last_part(&zone));
    whole.into_iter().chain(city).min()
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::super::{all_names, find};
    use super::*;

    fn hint(name: &str) -> String {
        find(name).unwrap_err().hint.unwrap_or_default()
    }

    #[test]
    fn offsets_are_explained_and_never_turned_around() {
        for (name, expected) in [
            ("GMT+2", "Name the place, such as Europe/Athens, or write Etc/GMT-2, which is UTC+2 all year."),
            ("UTC+2", "Name the place, such as Europe/Athens, or write Etc/GMT-2, which is UTC+2 all year."),
            ("+02:00", "Name the place, such as Europe/Athens, or write Etc/GMT-2, which is UTC+2 all year."),
            (
                "utc +0200",
                "Name the place, such as Europe/Athens, or write Etc/GMT-2, which is UTC+2 all year.",
            ),
            (
                "GMT-5",
                "Name the place, such as America/New_York, or write Etc/GMT+5, which is UTC-5 all year.",
            ),
            (
                "\u{2212}05",
                "Name the place, such as America/New_York, or write Etc/GMT+5, which is UTC-5 all year.",
            ),
            ("UTC+5:30", "Name the place, such as Asia/Kolkata."),
            ("UTC-12", "Write Etc/GMT+12, which is UTC-12 all year."),
            ("UTC+00:00", "Write UTC."),
            ("+27:00", EXAMPLE),
        ] {
            assert_eq!(hint(name), expected, "{name}");
            assert!(find(name).unwrap_err().detail.contains("is an offset, not a time zone"), "{name}");
        }
        assert_eq!(hint(""), "Leave it out for UTC, or name a time zone, such as Europe/Berlin.");
    }

    /// Whatever is offered for an offset has that offset.
    #[test]
    fn every_offer_for_an_offset_has_it() {
        let winter = |name: &str, month: i8| {
            let noon = jiff::civil::date(2026, month, 15).at(12, 0, 0, 0);
            find(name).unwrap().to_ambiguous_timestamp(noon).compatible().unwrap()
        };
        let minutes =
            |name: &str, month: i8| find(name).unwrap().to_offset(winter(name, month)).seconds() / 60;
        for (offset, place) in PLACES {
            let least = minutes(place, 1).min(minutes(place, 7));
            assert_eq!(least, offset, "{place}");
        }
        for hours in (-12..=14).filter(|hours| *hours != 0) {
            let hint = instead_of(hours * 60);
            let fixed = hint.split([' ', ',']).find(|word| word.starts_with("Etc/")).unwrap();
            assert_eq!(minutes(fixed, 1), hours * 60, "{hint}");
        }
    }

    #[test]
    fn abbreviations_and_cities_are_places() {
        for (name, expected) in [
            ("PST", "Name the place: America/Los_Angeles."),
            ("IST", "Name the place: Asia/Kolkata, Asia/Jerusalem or Europe/Dublin."),
            ("cst", "Name the place: America/Chicago or Asia/Shanghai."),
            ("Pacific Standard Time", "Did you mean America/Los_Angeles?"),
            ("Eastern Time", "Did you mean America/New_York?"),
            ("Asia/Beijing", "Did you mean Asia/Shanghai?"),
            ("San Francisco", "Did you mean America/Los_Angeles?"),
            ("Berlin", "Did you mean Europe/Berlin?"),
            ("Europe/Berln", "Did you mean Europe/Berlin?"),
            ("America/New York", "Did you mean America/New_York?"),
            ("Mars/Phobos", EXAMPLE),
            ("local", EXAMPLE),
            ("XYZ", EXAMPLE),
        ] {
            assert_eq!(hint(name), expected, "{name}");
        }
        let zones = ABBREVIATIONS.iter().flat_map(|(_, zones)| zones.iter().copied());
        let zones = zones.chain(CITIES.iter().chain(&WINDOWS).map(|(_, zone)| *zone));
        for zone in zones {
            assert!(find(zone).is_ok(), "{zone}");
        }
        let known = all_names();
        for (city, _) in CITIES {
            assert!(!known.iter().any(|name| last_part(name).eq_ignore_ascii_case(city)), "{city} is a zone");
        }
        for (abbreviation, _) in ABBREVIATIONS {
            assert!(find(abbreviation).is_err(), "{abbreviation} is a zone");
        }
    }
}
