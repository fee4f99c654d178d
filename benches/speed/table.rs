//! What was measured, beside what it must be.

/// One figure.
pub struct Row {
    figure: String,
    measured: f64,
    unit: &'static str,
    /// What it must be, and what it should be; none where it is only stated.
    bounds: Option<[f64; 2]>,
    more_is_better: bool,
    detail: String,
}

impl Row {
    /// A figure that is good when it is small.
    pub fn at_most(figure: &str, measured: f64, unit: &'static str, must: f64, aim: f64) -> Self {
        Self { bounds: Some([must, aim]), ..Self::stated(figure, measured, unit) }
    }

    /// A figure that is good when it is large.
    pub fn at_least(figure: &str, measured: f64, unit: &'static str, must: f64, aim: f64) -> Self {
        Self { more_is_better: true, ..Self::at_most(figure, measured, unit, must, aim) }
    }

    /// A figure that is what it is.
    pub fn stated(figure: &str, measured: f64, unit: &'static str) -> Self {
        Self {
            figure: figure.to_owned(),
            measured,
            unit,
            bounds: None,
            more_is_better: false,
            detail: String::new(),
        }
    }

    /// Says more about how it came out.
    pub fn detail(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    fn verdict(&self) -> &'static str {
        let reaches =
            |bound| if self.more_is_better { self.measured >= bound } else { self.measured <= bound };
        match self.bounds.map(|bounds| bounds.map(reaches)) {
            None => "stated",
            Some([_, true]) => "aim",
            Some([true, false]) => "must",
            Some([false, false]) => "**falls short**",
        }
    }
}

/// All figures of one run.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    beside: Vec<(String, f64, f64)>,
}

impl Table {
    /// Adds a figure and prints it.
    pub fn row(&mut self, row: Row) {
        println!("{}: {} ({}) {}", row.figure, amount(row.measured, row.unit), row.verdict(), row.detail);
        self.rows.push(row);
    }

    /// Adds a prober to the comparison: microseconds of processor time per probe, and probes per second.
    pub fn beside(&mut self, name: &str, us: f64, rate: f64) {
        println!("{name}: {us:.0} us per probe at {rate:.0}/s");
        self.beside.push((name.to_owned(), us, rate));
    }

    /// Prints all of it as Markdown.
    pub fn print(&self) {
        if !self.rows.is_empty() {
            println!("\n| figure | must | aim | measured | reaches | |\n|---|---|---|---|---|---|");
        }
        for row in &self.rows {
            let [must, aim] = row
                .bounds
                .map_or_else(Default::default, |bounds| bounds.map(|bound| amount(bound, row.unit)));
            let measured = amount(row.measured, row.unit);
            println!("| {} | {must} | {aim} | {measured} | {} | {} |", row.figure, row.verdict(), row.detail);
        }
        if !self.beside.is_empty() {
            println!("\n| prober | CPU per probe | probes per second |\n|---|---|---|");
        }
        for (name, us, rate) in &self.beside {
            println!("| {name} | {us:.0} us | {rate:.0} |");
        }
    }
}

fn amount(value: f64, unit: &str) -> String {
    let number = match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}
