//! Colours, where there are any.

/// How a text is to look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tone {
    #[default]
    Plain,
    Faint,
    Strong,
    Good,
    Bad,
    Doubtful,
}

#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub coloured: bool,
}

impl Style {
    /// `text` in this tone, padded with blanks to `width` letters.
    pub fn paint(self, tone: Tone, text: &str, width: usize) -> String {
        let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
        let code = match tone {
            _ if !self.coloured || text.is_empty() => return format!("{text}{blanks}"),
            Tone::Plain => return format!("{text}{blanks}"),
            Tone::Faint => 2,
            Tone::Strong => 1,
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Doubtful => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m{blanks}")
    }
}
