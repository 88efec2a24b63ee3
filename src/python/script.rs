//! Python text that the plugin carries. No module is left behind by it, and no name.

use std::ffi::{CStr, CString};

use super::{
    interpreter::Gil,
    reference::{PyErr, PyRef},
};

/// One file of such text: the name that tracebacks show, and what it says.
pub type Source = (&'static CStr, &'static str);

/// Names that were defined by running text, until they are dropped.
pub struct Script<'a> {
    names: PyRef<'a>,
}

impl<'a> Script<'a> {
    /// Runs the files one after another in one namespace, in the current interpreter.
    pub fn load(gil: &Gil<'a>, sources: &[Source]) -> Result<Self, PyErr> {
        let builtins = gil.import(c"builtins")?;
        let script = Self { names: gil.dict()? };
        let mode = gil.text(c"exec")?;
        for (name, source) in sources {
            let (name, source) = (gil.text(name)?, text(gil, source)?);
            let code = builtins.call_method(c"compile", &[&source, &name, &mode])?;
            builtins.call_method(c"exec", &[&code, &script.names])?;
        }
        Ok(script)
    }

    /// Calls one of its functions with texts; the answer as text.
    pub fn call(&self, function: &CStr, arguments: &[&str]) -> Result<String, PyErr> {
        let gil = self.names.gil();
        let arguments: Result<Vec<_>, _> = arguments.iter().map(|a| text(&gil, a)).collect();
        let arguments = arguments?;
        let arguments: Vec<_> = arguments.iter().collect();
        let function = self.names.item(function);
        let function = function.ok_or_else(|| PyErr("the script has no such function".into()))?;
        let answer = function.call(&arguments)?;
        answer
            .text()
            .ok_or_else(|| PyErr("the script's answer is no text".into()))
    }
}

impl Drop for Script<'_> {
    fn drop(&mut self) {
        // A function refers to its names and they to it. Nobody may ever look for such cycles.
        let _ = self.names.call_method(c"clear", &[]);
    }
}

fn text<'a>(gil: &Gil<'a>, text: &str) -> Result<PyRef<'a>, PyErr> {
    let text = CString::new(text).map_err(|_| PyErr("a text with a NUL in it".into()))?;
    gil.text(&text)
}
