//! A generated project of any size that reads like one that people write: orders, stock, sends between spaces, invariants, tests.

use std::fmt::Write;

/// Path and text of every file: `modules` of about a hundred lines each, every one importing from others, and one with the spaces.
pub fn generate(modules: usize) -> Vec<(String, String)> {
    let mut files = vec![("spaces.pattern".to_string(), "space shop\nspace ledger\nspace user[Text]\n".to_string())];
    files.extend((0..modules).map(|i| (format!("area_{:02}/module_{i:04}.pattern", i % 40), module(i))));
    files
}

/// The text of one module. Module 0 imports the spaces only; the others also the record of the module before.
fn module(i: usize) -> String {
    let mut out = String::with_capacity(4096);
    let text = MODULE.replace("{i}", &i.to_string());
    write!(out, "// Module {i}: orders and their lines.\n\nuse \"../spaces.pattern\" {{ shop, ledger }}\n")
        .expect("a String takes any text");
    if i > 0 {
        let before = i - 1;
        writeln!(out, "use \"../area_{:02}/module_{before:04}.pattern\" {{ Order{before} }}", before % 40)
            .expect("a String takes any text");
        out.push_str(&text.replace("{before}", &before.to_string()));
    } else {
        out.push_str(&text.replace("Order{before}", "Order0"));
    }
    out
}

const MODULE: &str = r#"
/// How far an order has come.
enum Stage{i} {
  open,
  packing,
  packed(by: Text, at: Time),
  sent,
}

/// One line of an order.
struct Line{i} {
  article: Text,
  count: Int,
  price: Int,
}

/// What is owed for the orders of a customer.
record Account{i} in ledger {
  cell owner: Text key
  cell balance: Int = 0
  cell entries: List<Text> = []

  handler book(amount: Int, text: Text) -> Int {
    require amount > 0 else "an amount is more than nothing"
    self.balance += amount
    self.entries += text
    return amount
  }
}

/// An order, from its first line to its delivery.
record Order{i} in shop {
  cell number: Text key
  cell customer: Text index
  cell lines: List<Line{i}> = []
  cell stage: Stage{i} = Stage{i}.open
  cell account: Account{i}
  cell related: Set<Order{i}> = Set[]
  cell follows: Order{before}?
  cell notes: Map<Text, Text> = Map[]
  derived total: Int = self.lines.map(l => l.count * l.price).sum()
  derived is_open: Bool = self.stage == Stage{i}.open

  create {
    require self.number != "" else "an order needs a number"
  }

  /// Adds a line to an open order.
  handler add(article: Text, count: Int, price: Int) {
    require self.is_open else "order {self.number} is closed"
    require count > 0 && price >= 0 else "count and price are wrong"
    self.lines += Line{i} { article: article, count: count, price: price }
  }

  handler relate(other: Order{i}) writes Order{i}.related {
    require other != self else "an order is not related to itself"
    self.related += other
    other.related += self
  }

  handler pack(by: Text) {
    require self.is_open else "order {self.number} is closed"
    require !self.lines.is_empty() else "there is nothing to pack"
    self.stage = Stage{i}.packing
    self.notes["packed"] = "by {by}"
    let total = self.total
    send self.account.book(total, "order {self.number}") then {
      ok(amount) => {
        self.stage = Stage{i}.packed(by: by, at: now())
        self.notes["booked"] = "{amount}"
      }
      err(e) => {
        self.stage = Stage{i}.open
        self.notes["problem"] = e.message
      }
    }
  }

  handler send_out() {
    match self.stage {
      Stage{i}.packed(by, _) => {
        self.stage = Stage{i}.sent
        self.notes["sent"] = "packed by {by}"
      }
      _ => { fail "order {self.number} is not packed" }
    }
  }
}

invariant related{i}(o: Order{i}) { o.related.all(q => o in q.related) }

fn describe{i}(o: Order{i}) -> Text {
  let count = o.lines.len()
  if count == 0 { "empty order" } else { "{count} lines for {o.customer}" }
}

test "an order is packed and booked {i}" {
  let account = create Account{i} in ledger { owner: "ann" }
  let order = create Order{i} in shop { number: "n1", customer: "ann", account: account }
  order.add("tea", 2, 350)
  order.pack("bob")
  expect order.total == 700 && account.balance == 700
  expect describe{i}(order) == "1 lines for ann"
  expect fail order.pack("bob") with "is closed"
}
"#;
