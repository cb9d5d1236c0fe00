//! All defects in one build: every function that a patch changes gets, beside its own body, the changed one, and asks at each
//! call which is to run. So the core is built once and not once for each patch.
//!
//! What a patch may do is change the bodies of functions and add functions; anything else is refused here. Functions are found by
//! the way rustfmt lays them out, which the test command has checked before: the closing brace stands below the line that began.

use std::fmt::Write as _;

/// The environment variable with the number of the defect that is on; without it the core is the unchanged one.
pub(super) const VARIABLE: &str = "CASTLINE_MUTANT";

/// What is added to the core's `lib.rs`.
pub(super) fn module() -> String {
    format!(
        "
pub(crate) mod mutant {{
    static ON: std::sync::LazyLock<Option<usize>> =
        std::sync::LazyLock::new(|| std::env::var(\"{VARIABLE}\").ok().and_then(|number| number.parse().ok()));
    pub(crate) fn is(number: usize) -> bool {{
        *ON == Some(number)
    }}
}}
"
    )
}

/// A file in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Function { head: String, body: String, end: String },
}

/// The file with every version of the functions that differ; `mutants` are the file as each defect leaves it.
pub(super) fn weave(original: &str, mutants: &[(usize, String)]) -> Result<String, String> {
    let original = pieces(original);
    // Which bodies replace a piece, and which functions were added before it.
    let mut bodies: Vec<Vec<(usize, String)>> = vec![Vec::new(); original.len()];
    let mut added: Vec<String> = vec![String::new(); original.len() + 1];
    for (number, text) in mutants {
        let mut at = 0;
        for piece in pieces(text) {
            match (original.get(at), piece) {
                (Some(was), is) if *was == is => at += 1,
                (Some(Piece::Function { head: was, .. }), Piece::Function { head, body, .. })
                    if *was == head =>
                {
                    bodies[at].push((*number, body));
                    at += 1;
                }
                (_, Piece::Function { head, body, end }) => {
                    added[at].push_str(&[head, body, end].concat());
                }
                // What stands between an added function and the next one.
                (_, Piece::Text(text)) if text.trim().is_empty() => added[at].push_str(&text),
                (_, Piece::Text(text)) => {
                    return Err(format!("more than the bodies of functions is changed:\n{text}"));
                }
            }
        }
        if at < original.len() {
            return Err(format!("more than the bodies of functions is changed; missing: {:?}", original[at]));
        }
    }
    let mut woven = String::new();
    for ((piece, bodies), added) in original.into_iter().zip(bodies).zip(&added) {
        woven.push_str(added);
        match piece {
            Piece::Text(text) => woven.push_str(&text),
            Piece::Function { head, body, end } => {
                woven.push_str(&head);
                for (number, body) in &bodies {
                    let _ = write!(woven, "if crate::mutant::is({number}) {{\n{body}}} else ");
                }
                let body = if bodies.is_empty() { body } else { format!("{{\n{body}}}\n") };
                woven.push_str(&body);
                woven.push_str(&end);
            }
        }
    }
    woven.push_str(added.last().map_or("", String::as_str));
    Ok(woven)
}

/// Cuts a file into functions and what is between them. A function on one line is text: it is too short to be changed.
fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut between = String::new();
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if !begins_function(line) {
            between.push_str(line);
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let end_of_function = format!("{indent}}}");
        let mut head = line.to_owned();
        // A signature on several lines ends with the line that opens the body; one of a trait may have none.
        let ends = |head: &str| head.trim_end().ends_with(['{', ';', '}']);
        while !ends(&head) {
            let Some(line) = lines.next() else { break };
            head.push_str(line);
        }
        if !head.trim_end().ends_with('{') {
            between.push_str(&head);
            continue;
        }
        let mut body = String::new();
        while let Some(line) = lines.next_if(|line| line.trim_end() != end_of_function) {
            body.push_str(line);
        }
        let end = lines.next().unwrap_or_default().to_owned();
        found.push(Piece::Text(std::mem::take(&mut between)));
        found.push(Piece::Function { head, body, end });
    }
    found.push(Piece::Text(between));
    found
}

fn begins_function(line: &str) -> bool {
    let line = line.trim_start();
    let visible = line.strip_prefix("pub").map_or(line, |rest| match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')').map_or(rest, |(_, rest)| rest),
        None => rest,
    });
    visible.trim_start().starts_with("fn ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str = "use a::b;\n\nimpl A {\n    pub(crate) fn one(\n        &self,\n    ) -> u8 {\n        if self.x {\n            return 2;\n        }\n        1\n    }\n\n    fn short(&self) {}\n\n    fn two(&self) {\n        self.go();\n    }\n}\n";

    #[test]
    fn a_file_is_the_sum_of_its_pieces_and_without_a_defect_stays_as_it_is() {
        assert_eq!(pieces(CORE).iter().filter(|p| matches!(p, Piece::Function { .. })).count(), 2);
        assert_eq!(weave(CORE, &[]).as_deref(), Ok(CORE));
        assert_eq!(weave(CORE, &[(1, CORE.to_owned())]).as_deref(), Ok(CORE));
    }

    #[test]
    fn each_defect_gets_its_body_and_the_rest_keeps_the_own_one() {
        let mutants = [
            (3, CORE.replace("return 2", "return 3")),
            (7, CORE.replace("        1\n", "        9\n").replace("self.go()", "self.stay()")),
        ];
        let woven = weave(CORE, &mutants).unwrap();
        let one = "    ) -> u8 {\nif crate::mutant::is(3) {\n        if self.x {\n            return 3;\n        }\n        1\n} else \
                   if crate::mutant::is(7) {\n        if self.x {\n            return 2;\n        }\n        9\n} else \
                   {\n        if self.x {\n            return 2;\n        }\n        1\n}\n    }\n";
        assert!(woven.contains(one), "{woven}");
        let two =
            "if crate::mutant::is(7) {\n        self.stay();\n} else {\n        self.go();\n}\n    }\n}\n";
        assert!(woven.ends_with(two), "{woven}");
    }

    #[test]
    fn a_function_may_be_added() {
        let new = "    fn two(&self) {\n        self.three();\n    }\n\n    fn three(&self) {\n        self.stop();\n    }\n}\n";
        let mutant = CORE.replace("    fn two(&self) {\n        self.go();\n    }\n}\n", new);
        let woven = weave(CORE, &[(1, mutant)]).unwrap();
        assert_eq!(woven.matches("fn three(&self) {\n        self.stop();\n    }\n").count(), 1, "{woven}");
        assert!(woven.contains("if crate::mutant::is(1) {\n        self.three();\n} else {"), "{woven}");
    }

    #[test]
    fn what_is_not_a_body_is_refused() {
        for (was, is) in [("use a::b;", "use a::c;"), ("fn short", "fn long"), ("impl A {", "impl B {")] {
            assert!(weave(CORE, &[(1, CORE.replace(was, is))]).is_err(), "{is}");
        }
        assert!(weave(CORE, &[(1, CORE.replace("-> u8", "-> u16"))]).is_err());
        let gone = CORE.replace("    fn two(&self) {\n        self.go();\n    }\n", "");
        assert!(weave(CORE, &[(1, gone)]).is_err());
    }
}
