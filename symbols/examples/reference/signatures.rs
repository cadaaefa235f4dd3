//! Which operands of a function name which variable.

use std::collections::BTreeMap;

use symbols::{GoBinary, reference};

/// Adds a line `signature FUNCTION HASH OPERAND=VARIABLE+ADDEND:SIZE...` for each function that names one.
///
/// `:SIZE` is `@ID` for a variable that is a struct; `structs` has the ids.
pub(crate) fn write(
    binary: &GoBinary<'_>,
    structs: &BTreeMap<String, String>,
    lines: &mut Vec<String>,
) {
    let known = reference::VARIABLES.iter().filter_map(|&name| {
        let place = binary.variable(name).ok()?.value;
        let mut types = reference::STRUCT_VARIABLES.iter();
        let is_struct = types.find(|(variable, _)| *variable == name);
        let end = match is_struct {
            Some((_, structure)) => format!("@{}", structs.get(*structure)?),
            None => format!(":{}", place.size),
        };
        Some((name.strip_prefix("runtime.").unwrap_or(name), place, end))
    });
    let variables: Vec<_> = known.collect();
    for &name in reference::FUNCTIONS {
        let Some(signature) = binary
            .function(name)
            .ok()
            .and_then(|function| binary.signature(&function))
        else {
            continue;
        };
        let mut line = format!("signature {name} {:016x}", signature.hash);
        let bare = line.len();
        for (number, &operand) in signature.operands.iter().enumerate() {
            let named = variables.iter().find_map(|(variable, place, end)| {
                let addend = operand.checked_sub(place.address)?;
                (addend < place.size).then_some((variable, addend, end))
            });
            match named {
                Some((variable, 0, end)) => line += &format!(" {number}={variable}{end}"),
                Some((variable, addend, end)) => {
                    line += &format!(" {number}={variable}+{addend}{end}");
                }
                None => {}
            }
        }
        if line.len() > bare {
            lines.push(line);
        }
    }
}
