//! What the module calls: the driver's hands and the two clocks.

use castline::Now;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// The driver of one client, an object of `npm/src/driver.ts`. None of its methods may call back into the module.
    #[derive(Debug)]
    pub type Host;

    #[wasm_bindgen(method)]
    pub(crate) fn open(this: &Host, socket: f64, url: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn send(this: &Host, socket: f64, text: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn shut(this: &Host, socket: f64, code: u16);
    /// `headers`: lines of `name: value`.
    #[wasm_bindgen(method)]
    pub(crate) fn fetch(
        this: &Host,
        http: f64,
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
        timeout: u32,
    );
    #[wasm_bindgen(method)]
    pub(crate) fn ask(this: &Host, ticket: f64);
    #[wasm_bindgen(method)]
    pub(crate) fn load(this: &Host, name: &str) -> Option<String>;
    /// No text: delete.
    #[wasm_bindgen(method)]
    pub(crate) fn save(this: &Host, name: &str, text: &str) -> bool;
    /// Monotonic ms; infinity: no need.
    #[wasm_bindgen(method)]
    pub(crate) fn wake(this: &Host, at: f64);
    #[wasm_bindgen(method)]
    pub(crate) fn log(this: &Host, level: u32, line: &str);
    /// What the getters give is another snapshot now.
    #[wasm_bindgen(method)]
    pub(crate) fn flags(this: &Host);
    /// An event, flat: see `told.rs` for what each kind puts where.
    #[wasm_bindgen(method)]
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn event(
        this: &Host,
        kind: u32,
        a: &str,
        b: &str,
        c: &str,
        d: &str,
        e: &str,
        f: &str,
        w: f64,
        x: f64,
        y: f64,
        z: f64,
    );

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn wall() -> f64;
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn mono() -> f64;
}

/// Both clocks.
pub(crate) fn now() -> Now {
    Now { mono: mono() as u64, wall: wall() as u64 }
}
