//! Records that are interchangeable: where renaming them leaves the beginning of concurrent events as it is, one of each set of points that
//! differ in names alone stands for all.

use super::canonical::{Canonical, Renaming};
use super::point::Point;
use crate::value::RecordRef;

/// How many renamings are tried at most.
const RENAMINGS: usize = 720;

/// The renamings of records, each to one of its type, under which a point is the same. The first renames nothing.
pub(super) fn symmetries(point: &Point<'_>) -> Vec<Renaming> {
    let mut found = vec![Renaming::default()];
    if point.groups.len() < 2 {
        return found;
    }
    let records = point.records();
    let plain = Canonical { renaming: &found[0], loose: None }.point(point);
    let mut tried = 0;
    permutations(&records, &mut Vec::new(), &mut vec![false; records.len()], &mut |images| {
        tried += 1;
        if images != records.as_slice()
            && let Some(renaming) = Renaming::new(&records, images)
            && (Canonical { renaming: &renaming, loose: None }).point(point) == plain
        {
            found.push(renaming);
        }
        tried < RENAMINGS
    });
    found
}

/// Every order of the records in which each stands where one of its type stood; `false` when `see` has seen enough.
fn permutations(
    records: &[RecordRef],
    images: &mut Vec<RecordRef>,
    used: &mut Vec<bool>,
    see: &mut dyn FnMut(&[RecordRef]) -> bool,
) -> bool {
    let Some(next) = records.get(images.len()) else { return see(images) };
    for at in 0..records.len() {
        if used[at] || records[at].record() != next.record() || records[at].space().space != next.space().space {
            continue;
        }
        used[at] = true;
        images.push(records[at].clone());
        let goes_on = permutations(records, images, used, see);
        images.pop();
        used[at] = false;
        if !goes_on {
            return false;
        }
    }
    true
}
