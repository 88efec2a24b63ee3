//! What refers to what: every reference of an object, and those in dicts and tuples that it leads to and that the
//! collector does not know. What the collector knows is looked at by itself.

use super::{
    classify::{Classifier, Treatment},
    Stopped,
};
use crate::python::{buffer::Items, heap::Heap, interpreter::Gil, object::Ref, walk::Traverse};

/// So deep are dicts and tuples looked into that the collector does not know.
const DEPTH: u32 = 3;
/// And only those that have so few references, each of which is one look.
const MOST_LOOKS: u32 = 8;

/// One object refers to another.
pub struct Reference<'gil> {
    /// The one.
    pub from: Ref<'gil>,
    /// With it may end what it refers to.
    pub owns: bool,
    /// The other.
    pub to: Ref<'gil>,
    /// How the other is treated.
    pub met: Treatment<'gil>,
}

/// Shows the references of an object that is treated so.
pub fn each_of<'gil, F>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    object: Ref<'gil>,
    treatment: Treatment<'gil>,
    body: &mut F,
) -> Result<(), Stopped>
where
    F: FnMut(&mut Classifier<'_, 'gil>, &Reference<'gil>) -> Result<(), Stopped>,
{
    let owns = treatment.may_own();
    match treatment.traverse() {
        Some(traverse) => heap.each_reference(object, traverse, |to| {
            show(heap, classifier, (object, owns), to, 0, body)
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
    F: FnMut(&mut Classifier<'_, 'gil>, &Reference<'gil>) -> Result<(), Stopped>,
{
    heap.each_in_buffer(gil, array, |to| {
        show(heap, classifier, (array, true), to, 0, body)
    })
}

/// Shows a reference, which is so deep in dicts and tuples, and what is behind it.
#[inline]
fn show<'gil, F>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    (from, owns): (Ref<'gil>, bool),
    to: Ref<'gil>,
    depth: u32,
    body: &mut F,
) -> Result<(), Stopped>
where
    F: FnMut(&mut Classifier<'_, 'gil>, &Reference<'gil>) -> Result<(), Stopped>,
{
    let reference = Reference {
        from,
        owns,
        to,
        met: classifier.of(to),
    };
    body(classifier, &reference)?;
    match reference.met {
        Treatment::Dict(traverse) | Treatment::Tuple(traverse)
            if depth < DEPTH && heap.count(to) <= MOST_LOOKS && !heap.is_tracked(to) =>
        {
            show_inside(heap, classifier, to, traverse, depth + 1, body)
        }
        _ => Ok(()),
    }
}

/// Not a part of `show`, which is called far more often.
#[inline(never)]
fn show_inside<'gil, F>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    from: Ref<'gil>,
    traverse: Traverse<'gil>,
    depth: u32,
    body: &mut F,
) -> Result<(), Stopped>
where
    F: FnMut(&mut Classifier<'_, 'gil>, &Reference<'gil>) -> Result<(), Stopped>,
{
    heap.each_reference(from, traverse, |to| {
        show(heap, classifier, (from, true), to, depth, body)
    })
}
