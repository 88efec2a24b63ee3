//! `pycow-gc = immortal`: preloaded objects are never copied, what must end still ends, nothing grows that
//! did not grow before, and nothing is ever freed in use.

mod arrays;
mod chains;
mod classes;
mod ends;
mod greenlets;
mod links;
mod marks;
mod notes;
mod old_abi;
mod owners;
mod policy;
mod shared;
