//! A table for a terminal: the first column to the left, the others to the right.

/// Rows of cells; the first row is the head.
#[derive(Default)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with that head.
    pub fn new(head: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(head);
        table
    }

    /// One more row.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        self.0
            .push(cells.iter().map(|cell| cell.as_ref().to_owned()).collect());
    }

    /// Prints it, with a line under the head.
    pub fn print(&self) {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, i: usize| row.get(i).map_or(0, |cell| cell.chars().count());
        let widths: Vec<usize> = (0..columns)
            .map(|i| self.0.iter().map(|row| cell(row, i)).max().unwrap_or(0))
            .collect();
        println!();
        for (i, row) in self.0.iter().enumerate() {
            let mut line = String::new();
            for (j, cell) in row.iter().enumerate() {
                let width = widths[j];
                line += &match j {
                    0 => format!("{cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            println!("{}", line.trim_end());
            if i == 0 {
                println!(
                    "{}",
                    "-".repeat(widths.iter().sum::<usize>() + 2 * (columns - 1))
                );
            }
        }
        println!();
    }
}
