//! The chart of the table, as an SVG.

use plotters::prelude::*;

use super::call::report::Row;

/// Draws a bar for each row: its instructions, as a multiple of those by hand.
pub fn draw(rows: &[Row]) -> Result<String, Box<dyn std::error::Error>> {
    let bars: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.name, row.ratio?)))
        .collect();
    let most = bars.iter().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let height = TOP + LINE * i32::try_from(bars.len())?;
    let mut svg = String::new();
    {
        let size = (WIDTH.try_into()?, height.try_into()?);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let text = ("sans-serif", 14).into_font();
        let title = "instructions a request, as a multiple of a header inserted by hand";
        area.draw(&Text::new(title, (8, 8), text.clone()))?;
        for (line, (name, ratio)) in (0..).zip(bars) {
            let y = TOP + LINE * line;
            let name = name.replace('`', "");
            let length = (ratio / most * f64::from(WIDTH - LEFT - RIGHT)) as i32;
            let colour = if name.starts_with("this layer") {
                OURS
            } else {
                OTHERS
            };
            let corners = [(LEFT, y + 2), (LEFT + length, y + LINE - 6)];
            area.draw(&Text::new(name, (8, y + 4), text.clone()))?;
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            let place = (LEFT + length + 6, y + 4);
            area.draw(&Text::new(format!("{ratio:.1}"), place, text.clone()))?;
        }
        area.present()?;
    }
    Ok(svg)
}

const WIDTH: i32 = 720;
const TOP: i32 = 36;
const LINE: i32 = 26;
const LEFT: i32 = 250;
const RIGHT: i32 = 50;
const OURS: RGBColor = RGBColor(31, 119, 180);
const OTHERS: RGBColor = RGBColor(160, 160, 160);
