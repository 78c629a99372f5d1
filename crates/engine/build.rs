//! Says which Python the crate is built for (`Py_3_13`, `Py_GIL_DISABLED`), and lets its unit tests be linked: Python's
//! symbols come from the process that loads the engine, and the tests call none of them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    pyo3_build_config::use_pyo3_cfgs();
    println!("cargo::rustc-link-arg=-Wl,--unresolved-symbols=ignore-all");
}
