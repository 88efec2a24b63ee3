//! The numbers of the signals that tests send, on x86-64 (signal(7)).

macro_rules! signals {
    ($($name:ident = $number:literal: $about:literal;)*) => {
        $(#[doc = $about] pub const $name: i32 = $number;)*
    };
}

signals! {
    SIGHUP = 1: "Graceful reload, of a master or of a worker.";
    SIGINT = 2: "What a master ends its workers by.";
    SIGKILL = 9: "The end, without a word.";
    SIGTERM = 15: "The end, with `die-on-term`.";
    SIGCONT = 18: "Goes on.";
    SIGSTOP = 19: "Is held.";
}
