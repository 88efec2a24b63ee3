//! CPython's list of interpreters: where it begins, so that the main one can stand there alone.

use std::{
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};

use pyo3_ffi::PyInterpreterState;

use super::interpreter::{Gil, Python};

/// Where CPython keeps its youngest interpreter, from which one comes to all others:
/// `_PyRuntime.interpreters.head`.
pub type Head = AtomicPtr<PyInterpreterState>;

/// Finds it, where the main interpreter is the current one.
///
/// The oldest, `main`, stands right behind it in every version (Include/internal/pycore_runtime.h), and
/// there are functions that tell both: where one lies next to the other is the place.
pub fn head(gil: &Gil<'_>, python: &Python) -> Option<&'static Head> {
    let api = gil.api;
    // SAFETY: the GIL is held, so the list stands still, and a thread state is current.
    let (youngest, main, current) = unsafe {
        (
            (api.PyInterpreterState_Head)(),
            (api.PyInterpreterState_Main)(),
            api.PyInterpreterState_Get.map(|get| get()),
        )
    };
    if current.is_some_and(|current| current != main) {
        return None;
    }
    let (runtime, size) = python.symbols().variable(c"_PyRuntime")?;
    let words: NonNull<Head> = runtime.cast();
    // SAFETY: a variable of that size, made of words and never freed.
    let word = |at| unsafe { words.add(at).as_ref() };
    let lies_at =
        |at: &usize| word(*at).load(Relaxed) == youngest && word(at + 1).load(Relaxed) == main;
    let last = (size / size_of::<Head>()).checked_sub(1)?;
    (0..last).find(lies_at).map(word)
}

/// Runs `body` while the main interpreter is the only one that is found.
///
/// To be called in a process that has no other thread.
pub fn with_main_alone(gil: &Gil<'_>, head: &Head, body: impl FnOnce()) {
    // SAFETY: the main interpreter stays as long as Python is up.
    let youngest = head.swap(unsafe { (gil.api.PyInterpreterState_Main)() }, Relaxed);
    body();
    head.store(youngest, Relaxed);
}
