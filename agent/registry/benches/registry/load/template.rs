//! Requests that are rendered once: only a number in them changes.

/// What stands in a template where the number is to be: eight bytes for eight digits.
pub(crate) const NUMBER: &str = "@@@@@@@@";
/// What stands where the number's group is to be: what is left of it by the number of groups.
pub(crate) const GROUP: &str = "########";

/// A request with a number in it, at any number of places.
#[derive(Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where to put digits, and after how many they begin again.
    places: Vec<(usize, u64)>,
}

impl Template {
    /// A request in which [`NUMBER`] stands for the number and [`GROUP`] for one below `groups`.
    pub(crate) fn new(bytes: impl Into<Vec<u8>>, groups: u64) -> Self {
        let bytes = bytes.into();
        let mut places = Vec::new();
        for (mark, cycle) in [(NUMBER, u64::MAX), (GROUP, groups)] {
            let windows = bytes.windows(mark.len()).enumerate();
            let found = windows.filter(|(_, part)| *part == mark.as_bytes());
            places.extend(found.map(|(place, _)| (place, cycle)));
        }
        Self { bytes, places }
    }

    /// Appends the request with `number`.
    pub(crate) fn fill(&self, number: u64, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        for (place, cycle) in &self.places {
            let digits = digits(number % cycle);
            out[begin + place..][..digits.len()].copy_from_slice(&digits);
        }
    }
}

fn digits(mut number: u64) -> [u8; 8] {
    let mut digits = [b'0'; 8];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    digits
}
