//! The options of what is published, and of what is done where it passes a bound.

use super::{option::Opt, values::whole};

pub(super) const RELOAD_ON_PRIVATE: Opt = Opt {
    name: c"pycow-reload-on-private",
    help: c"replace a worker after its request once so many megabytes of its memory are private",
    is_switch: false,
    allowed: "a whole number of megabytes, 1 to 1048576",
    apply: |config, value| {
        let megabytes = whole::<u32>(value).filter(|mb| (1..=1 << 20).contains(mb))?;
        config.reload_on_private = Some(megabytes);
        Some(())
    },
};

pub(super) const INSTANCE: Opt = Opt {
    name: c"pycow-instance",
    help: c"set the label instance of all that is published for Prometheus",
    is_switch: false,
    allowed: "a name of at most 100 letters, digits and . _ : / -",
    apply: |config, value| {
        let may_stand = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
        let is_name = (1..=100).contains(&value.len()) && value.chars().all(may_stand);
        config.instance = is_name.then(|| Some(value.to_owned()))?;
        Some(())
    },
};
