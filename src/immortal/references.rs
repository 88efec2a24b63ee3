//! What refers to what: every reference of an object, and those in dicts and tuples that it leads to and that the
//! collector does not know. What the collector knows is looked at by itself.

use super::{
    classify::{Classifier, Treatment},
    Stopped,
};
use crate::python::{buffer::Items, heap::Heap, interpreter::Gil, object::Ref};

/// So deep are dicts and tuples looked into that the collector does not know.
const DEPTH: u32 = 3;
/// And only those that have so few references, each of which is one look.
const MOST_LOOKS: u32 = 8;

/// One object refers to another.
#[derive(Clone, Copy)]
pub struct Reference<'gil> {
    /// The one, and how it is treated.
    pub from: Ref<'gil>,
    pub of: Treatment<'gil>,
    /// The other, and how that is treated.
    pub to: Ref<'gil>,
    pub met: Treatment<'gil>,
}

/// Shows the references of an object.
pub fn each_of<'gil, F>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    object: Ref<'gil>,
    body: &mut F,
) -> Result<(), Stopped>
where
    F: FnMut(&mut Classifier<'_, 'gil>, Reference<'gil>) -> Result<(), Stopped>,
{
    let from = (object, classifier.of(object));
    match from.1.traverse() {
        Some(traverse) => heap.each_reference(object, traverse, |to| {
            show(heap, classifier, from, to, 0, body)
        }),
        None => Ok(()),
    }
}

/// Shows what the items of an array refer to.
pub fn each_in_array<'gil, F>(
    gil: &Gil<'_>,
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    array: Ref<'gil>,
    body: &mut F,
) -> Result<Items, Stopped>
where
    F: FnMut(&mut Classifier<'_, 'gil>, Reference<'gil>) -> Result<(), Stopped>,
{
    let from = (array, classifier.of(array));
    heap.each_in_buffer(gil, array, |to| show(heap, classifier, from, to, 0, body))
}

/// Shows a reference, which is so deep in dicts and tuples, and what is behind it.
fn show<'gil, F>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    (from, of): (Ref<'gil>, Treatment<'gil>),
    to: Ref<'gil>,
    depth: u32,
    body: &mut F,
) -> Result<(), Stopped>
where
    F: FnMut(&mut Classifier<'_, 'gil>, Reference<'gil>) -> Result<(), Stopped>,
{
    let met = classifier.of(to);
    body(classifier, Reference { from, of, to, met })?;
    match met {
        Treatment::Dict(traverse) | Treatment::Tuple(traverse)
            if depth < DEPTH && heap.count(to) <= MOST_LOOKS && !heap.is_tracked(to) =>
        {
            heap.each_reference(to, traverse, |item| {
                show(heap, classifier, (to, met), item, depth + 1, body)
            })
        }
        _ => Ok(()),
    }
}
