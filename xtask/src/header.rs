//! `cargo xtask header`: prints `include/castline.h` from the sources of the C library, by cbindgen and two changes to what that prints.
//!
//! The header is committed, so that a change of the C interface shows in a diff; `--check` fails where it isn't what the sources say.

use crate::process::{self, CommandLine};
use crate::tools::Tool;
use anyhow::{Context, Result, bail};

const CRATE: &str = "bindings/c";
const HEADER: &str = "include/castline.h";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the committed header differs
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let Some(printed) = CommandLine::new("cbindgen")
        .args(["--quiet", "--config", "bindings/c/cbindgen.toml", CRATE])
        .output()
    else {
        bail!("cbindgen is missing or could not read {CRATE}; get it by `{}`", Tool::Cbindgen.install());
    };
    let header = tidied(&printed);
    let path = process::root().join(HEADER);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if header == committed {
        println!("{HEADER} is what the sources say");
        return Ok(true);
    }
    if arguments.check {
        let (number, line) = first_difference(&committed, &header);
        let version = Tool::Cbindgen.found().unwrap_or_default();
        println!("{HEADER} differs from the sources at line {number}: {line}");
        println!(
            "print it by `cargo xtask header` ({version}; known to work: {:?})",
            Tool::Cbindgen.pinned()
        );
        return Ok(false);
    }
    std::fs::write(&path, header).with_context(|| format!("{HEADER} could not be written"))?;
    println!("{HEADER} printed anew");
    Ok(true)
}

fn first_difference<'a>(committed: &str, header: &'a str) -> (usize, &'a str) {
    let same = committed.lines().zip(header.lines()).take_while(|(a, b)| a == b).count();
    (same + 1, header.lines().nth(same).unwrap_or("(the end)"))
}

/// Two changes. An enumeration loses its tag and the type that C23 would give it: every dialect shall see `uint32_t` and constants, and
/// C++ would take the tag for a second type of the same name. And a comment of one line stands in one line.
fn tidied(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().collect();
    let mut out = String::with_capacity(printed.len());
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        rest = match (line.trim_start(), after) {
            (name, ["#if __STDC_VERSION__ >= 202311L", "  : uint32_t", _, " {", after @ ..])
                if name.starts_with("enum ") =>
            {
                out.push_str("enum {");
                after
            }
            ("#if __STDC_VERSION__ >= 202311L", [alias, "#else", number, end, after @ ..])
                if alias.starts_with("typedef enum ") && end.starts_with("#endif") =>
            {
                out.push_str(number);
                after
            }
            ("/**", [text, end, after @ ..]) if end.trim() == "*/" => {
                let indent = &line[..line.len() - "/**".len()];
                let text = text.trim().trim_start_matches('*').trim();
                out.push_str(&format!("{indent}/** {text} */"));
                after
            }
            _ => {
                out.push_str(line.trim_end());
                after
            }
        };
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enumeration_becomes_a_number_with_constants() {
        let printed = "/**\n * Words.\n */\nenum castline_word\n#if __STDC_VERSION__ >= 202311L\n  : uint32_t\n#endif // \n {\n  /**\n   * One.\n   */\n  ONE = 1,\n};\n#if __STDC_VERSION__ >= 202311L\ntypedef enum castline_word castline_word;\n#else\ntypedef uint32_t castline_word;\n#endif // \n";
        let tidy = "/** Words. */\nenum {\n  /** One. */\n  ONE = 1,\n};\ntypedef uint32_t castline_word;\n";
        assert_eq!(tidied(printed), tidy);
    }

    #[test]
    fn longer_comments_and_everything_else_stay() {
        let printed = "/**\n * One\n * and two.\n */\nint f(void);\n";
        assert_eq!(tidied(printed), printed);
    }

    #[test]
    fn a_difference_is_named_by_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), (2, "c"));
        assert_eq!(first_difference("a\nb\n", "a\n"), (2, "(the end)"));
    }
}
