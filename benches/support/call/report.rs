//! The table of ratios.

use super::cost::{Contender, Cost};

/// One line of the table.
pub struct Row {
    pub name: &'static str,
    pub cost: Cost,
    /// Of its instructions to those of a header that is inserted by hand.
    pub ratio: Option<f64>,
}

/// Measures every contender; the first is the header by hand.
pub fn rows(contenders: &[Contender]) -> Vec<Row> {
    let costs: Vec<_> = contenders.iter().map(|it| (it, it.cost())).collect();
    let insert = costs[0].1.instructions;
    let row = |(contender, cost): &(&Contender, Cost)| Row {
        name: contender.name,
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
