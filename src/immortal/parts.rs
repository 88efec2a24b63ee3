//! Containers that only one object has, and that object stays mortal.
//!
//! When the object ends they let go of what is in them, which workers may have put there: a pool's idle
//! connections, what is appended to a link. So they stay as mortal.

use super::{
    classify::{Classifier, Treatment},
    kept::KeptMortal,
    reason::Reason,
    Stopped,
};
use crate::python::{heap::Heap, object::Ref};

/// In a dict with more keys and values than this nobody looks for parts: it is data, not attributes.
const MOST_ITEMS: u32 = 128;

/// The dict of attributes, and one among these.
const DEPTH: u32 = 2;

/// Adds the parts of what is kept, and those in small dicts of its own.
pub fn keep<'gil>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    kept: &mut KeptMortal<'gil>,
) -> Result<(), Stopped> {
    for place in 0..kept.known() {
        let (object, reason) = kept.at(place);
        let treatment = classifier.of(object);
        let Some(traverse) = treatment
            .traverse()
            .filter(|_| has_parts(heap, (object, reason), treatment))
        else {
            continue;
        };
        heap.each_reference(object, traverse, |part| {
            keep_part(heap, classifier, kept, (part, reason), 0)
        })?;
    }
    Ok(kept.sort()?)
}

/// Adds what may be a part, and its own parts where it is a small dict.
fn keep_part<'gil>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    kept: &mut KeptMortal<'gil>,
    (part, reason): (Ref<'gil>, Reason),
    depth: u32,
) -> Result<(), Stopped> {
    let treatment = classifier.of(part);
    if heap.count(part) != 1 || !is_part(treatment, reason) {
        return Ok(());
    }
    kept.add(part, reason)?;
    if !matches!(treatment, Treatment::Dict(_)) || !ends_more(reason) || depth == DEPTH {
        return Ok(());
    }
    let mut items = 0;
    let all = heap.each_item(part, |item| {
        items += 1;
        if items > MOST_ITEMS {
            return Err(Stopped::Enough);
        }
        keep_part(heap, classifier, kept, (item, reason), depth + 1)
    });
    match all {
        Err(Stopped::Enough) => Ok(()),
        all => all,
    }
}

/// It has attributes, or is a memo or a partial. What is in a list or dict is data.
fn has_parts<'gil>(
    heap: &Heap<'gil>,
    (object, reason): (Ref<'gil>, Reason),
    treatment: Treatment<'gil>,
) -> bool {
    match treatment {
        Treatment::Instance(_) | Treatment::Foreign(_) | Treatment::Mortal(..) => true,
        Treatment::Other(_) => ends_more(reason) && !heap.flags(heap.class_of(object)).lists(),
        _ => false,
    }
}

fn is_part(treatment: Treatment<'_>, reason: Reason) -> bool {
    match treatment {
        Treatment::Dict(_) => true,
        Treatment::Tuple(_) | Treatment::Other(_) => ends_more(reason),
        _ => false,
    }
}

/// There are few of these, and what workers put into them is to end with them. Of all others only the dict of
/// attributes is a part: a list that stays mortal is copied by whoever looks through it.
fn ends_more(reason: Reason) -> bool {
    matches!(reason, Reason::Finalizer | Reason::Named)
}
