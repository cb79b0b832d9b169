//! Attack success against compute.
