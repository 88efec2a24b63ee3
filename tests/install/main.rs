//! What is given to others, used as others use it: wheel, .deb, .rpm and examples, in roots where nothing of
//! this project's own is. Run by `make test-install`, which builds them first; needs root and a network.

mod deb;
mod dist;
mod examples;
mod fresh;
mod life;
mod metadata;
mod root;
mod rpm;
mod wheel;
