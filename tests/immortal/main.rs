//! `pycow-gc = immortal`: preloaded objects are never copied, what must end still ends, nothing grows that
//! did not grow before, and nothing is ever freed in use.

mod arrays;
mod chains;
mod classes;
mod cycles;
mod ends;
mod greenlets;
mod links;
mod marks;
mod notes;
mod old_abi;
mod owners;
mod policy;
mod shared;

/// Python's `growth`: by how many kilobytes the process grows while a structure does so many operations, after
/// a tenth of them.
const GROWTH: &str = r#"
def size():
    return int(open("/proc/self/statm").read().split()[1]) * 4

def growth(structure, operations):
    structure.work(operations // 10)
    before = size()
    structure.work(operations)
    return [b"%d" % (size() - before)]
"#;
