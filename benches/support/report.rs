//! The table of ratios.

use super::cost::{Contender, Cost};

/// One line of the table.
pub struct Row {
    pub name: &'static str,
    pub cost: Cost,
    /// Of its instructions to those of a header that is inserted by hand.
    pub ratio: Option<f64>,
}

/// Measures every contender.
pub fn rows() -> Vec<Row> {
    let costs: Vec<_> = Contender::ALL.map(|it| (it, it.cost())).into();
    let insert = costs[0].1.instructions;
    let row = |(contender, cost): &(Contender, Cost)| Row {
        name: name(*contender),
        cost: *cost,
        ratio: cost
            .instructions
            .zip(insert)
            .map(|(own, insert)| own / insert),
    };
    costs.iter().map(row).collect()
}

/// The table, in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| what is added to each request | instructions | × by hand | allocations |\n\
         | --- | ---: | ---: | ---: |\n",
    );
    for Row { name, cost, ratio } in rows {
        let instructions = cost
            .instructions
            .map_or_else(unknown, |it| format!("{it:.0}"));
        let ratio = ratio.map_or_else(unknown, |it| format!("{it:.1}"));
        let allocations = cost.allocations;
        table += &format!("| {name} | {instructions} | {ratio} | {allocations:.0} |\n");
    }
    table
}

fn unknown() -> String {
    "no valgrind".to_owned()
}

fn name(contender: Contender) -> &'static str {
    match contender {
        Contender::Bare => "nothing",
        Contender::Insert => "a header, by hand",
        Contender::Static => "tower-http's `AddAuthorization`",
        Contender::Ours => "this layer, replay off",
        Contender::OursWithReplay => "this layer, replay on",
        Contender::RwLock => "a `tokio::RwLock` around a token",
        Contender::Mutex => "a `tokio::Mutex` around a token",
    }
}
