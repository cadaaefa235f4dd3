//! Which operands of a function name which variable.

use symbols::{GoBinary, reference};

/// Adds a line `signature FUNCTION HASH OPERAND=VARIABLE+ADDEND:SIZE...` for each function that names one.
pub(crate) fn write(binary: &GoBinary<'_>, lines: &mut Vec<String>) {
    let known = reference::VARIABLES.iter().filter_map(|&name| {
        let place = binary.variable(name).ok()?.value;
        Some((name.strip_prefix("runtime.").unwrap_or(name), place))
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
            let named = variables.iter().find_map(|&(variable, place)| {
                let addend = operand.checked_sub(place.address)?;
                (addend < place.size).then_some((variable, addend, place.size))
            });
            match named {
                Some((variable, 0, size)) => line += &format!(" {number}={variable}:{size}"),
                Some((variable, addend, size)) => {
                    line += &format!(" {number}={variable}+{addend}:{size}");
                }
                None => {}
            }
        }
        if line.len() > bare {
            lines.push(line);
        }
    }
}
