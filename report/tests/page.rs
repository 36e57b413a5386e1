//! The page as a browser reads it: markup, contents, sums, and nothing from elsewhere.

use expect_test::expect;
use heartbit_report::{
    Array, Bound, Cycles, Fpga, Layer, Memory, MemoryMap, Network, Origin, Parts, Placed,
    PlacedClock, PlacedResource, Region, Report, Resource, Rung, RungResult, Shortcut, Source,
    html,
};
use scraper::{Html, Selector};

fn layer(
    name: &str,
    kind: &'static str,
    source: Source,
    [compute, stall, drain]: [u64; 3],
) -> Layer {
    let parts = Parts { compute, stall, drain, ..Parts::default() };
    let predicted = compute + stall + drain;
    Layer {
        name: name.to_owned(),
        kind,
        shape: [4, 4, 8],
        source: Some(source),
        shortcut: None,
        bit_products: 16 * compute,
        cycles: Cycles { predicted, sim: Some(predicted), rtl: None },
        parts,
        utilisation: 0.5,
        streamed_bits: 0,
        bands: 1,
    }
}

/// A network of three layers, one of which has a name that is no markup.
fn tiny() -> Report {
    let mut layers = vec![
        layer("stem", "stem", Source::Image, [1_000, 0, 20]),
        layer("a<b>&\"c\"", "binary", Source::Layer(0), [200, 30, 10]),
        layer("head", "head", Source::Layer(1), [10, 0, 5]),
    ];
    layers[1].shortcut = Some(Shortcut { from: 0, kind: "as it is" });
    let result = RungResult {
        by: "sim".to_owned(),
        images: 4,
        correct: 3,
        compared: Some((36, "tensors")),
        cycles_agree: Some(true),
        ..RungResult::default()
    };
    let rung = |name, origin, result| Rung { name, origin, result, command: format!("run {name}") };
    Report {
        version: "0.0.0".to_owned(),
        network: Network {
            arch: "tiny".to_owned(),
            binary_macs: 3_200,
            classes: 10,
            provenance: vec![],
        },
        array: Array { rows: 2, cols: 2, lanes: 8, acc_bits: 9 },
        layers,
        send: Cycles { predicted: 12, sim: Some(12), rtl: None },
        total: Cycles { predicted: 1_287, sim: Some(1_287), rtl: None },
        rungs: vec![
            rung("network", Origin::Network, None),
            rung("cycle-sim", Origin::Simulator, Some(result)),
            rung("rtl", Origin::Rtl, None),
        ],
        memories: vec![Memory { name: "weight", banks: 2, word_bits: 8, words: 64, used: 48 }],
        maps: vec![MemoryMap {
            name: "activation",
            words: 64,
            steps: ["stem", "a", "head"].map(str::to_owned).to_vec(),
            regions: vec![Region { steps: [0, 1], base: 0, words: 32 }],
            live: vec![32, 32, 0],
        }],
        fpga: Some(Fpga {
            name: "board".to_owned(),
            family: "ecp5".to_owned(),
            clock_mhz: 50.0,
            resources: vec![Resource {
                name: "LUT4".to_owned(),
                estimated: 900,
                limit: Some(1_000),
            }],
            note: "estimates".to_owned(),
            modules: Vec::new(),
        }),
        placed: None,
        ..Report::default()
    }
}

fn select<'a>(page: &'a Html, selector: &str) -> Vec<scraper::ElementRef<'a>> {
    page.select(&Selector::parse(selector).expect("a selector")).collect()
}

fn text(element: scraper::ElementRef<'_>) -> String {
    element.text().collect::<String>().trim().to_owned()
}

/// Cells of the rows of a table.
fn rows(page: &Html, table: &str) -> Vec<Vec<String>> {
    let cells = Selector::parse("th, td").expect("a selector");
    let row = |row: scraper::ElementRef<'_>| row.select(&cells).map(text).collect();
    select(page, &format!("{table} tbody tr, {table} tfoot tr")).into_iter().map(row).collect()
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

#[test]
fn markup_is_valid_for_empty_and_whole_reports() {
    for report in [Report::default(), tiny()] {
        let page = Html::parse_document(&html(&report));
        assert_eq!(page.errors, Vec::<String>::new());
        let mut ids: Vec<_> = select(&page, "[id]").iter().filter_map(|e| e.attr("id")).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is used twice");
        for reference in select(&page, "[aria-labelledby]") {
            for id in reference.attr("aria-labelledby").unwrap_or_default().split(' ') {
                assert!(ids.binary_search(&id).is_ok(), "nothing is called `{id}`");
            }
        }
    }
}

#[test]
fn nothing_comes_from_elsewhere() {
    let text = html(&tiny());
    for word in ["<script", "<link", "<img", "@import", "@font-face", "http://", "https://", "src="]
    {
        assert!(!text.contains(word), "the page has `{word}`");
    }
    for link in select(&Html::parse_document(&text), "[href]") {
        assert!(link.attr("href").is_some_and(|href| href.starts_with('#')), "{link:?}");
    }
    let urls = text.matches("url(").count();
    assert!(urls > 0);
    assert_eq!(text.matches("url(#").count(), urls);
}

#[test]
fn every_layer_appears_and_the_sums_add_up() {
    let report = tiny();
    let page = Html::parse_document(&html(&report));
    let table = rows(&page, "#layers");
    assert_eq!(table.len(), report.layers.len() + 2);
    let (total, parts) = table.split_last().expect("rows");
    for (row, layer) in parts.iter().zip(&report.layers) {
        assert_eq!(row[0], layer.name);
    }
    for column in [4, 5] {
        assert_eq!(
            parts.iter().map(|row| number(&row[column])).sum::<u64>(),
            number(&total[column])
        );
    }
    assert!(table.iter().all(|row| row[6] == "not measured"));
    let breakdown = rows(&page, "#cycles details");
    for row in &breakdown {
        let sum: u64 = row[1..6].iter().map(|cell| number(cell)).sum();
        assert_eq!(sum, number(&row[6]), "{row:?}");
    }
    let (all, layers) = breakdown.split_last().expect("rows");
    for column in 1..7 {
        assert_eq!(
            layers.iter().map(|row| number(&row[column])).sum::<u64>(),
            number(&all[column])
        );
    }
    let titles: Vec<String> = select(&page, "#network svg g title").into_iter().map(text).collect();
    for (title, layer) in titles.iter().zip(&report.layers) {
        assert!(title.starts_with(&layer.name), "{title}");
    }
    assert_eq!(titles.len(), report.layers.len());
}

#[test]
fn every_figure_has_an_origin_and_what_was_not_measured_is_said() {
    let page = Html::parse_document(&html(&tiny()));
    for place in select(&page, "#summary dt, figcaption, #memories .caption") {
        let label = Selector::parse(".origin").expect("a selector");
        assert_eq!(place.select(&label).count(), 1, "{}", text(place));
    }
    let missing: Vec<String> = select(&page, ".missing li").into_iter().map(text).collect();
    for word in ["network: run network", "rtl: run rtl", "place-and-route", "a board"] {
        assert!(missing.iter().any(|line| line.contains(word)), "`{word}` is not in {missing:?}");
    }
    assert!(!missing.iter().any(|line| line.contains("cycle-sim")), "{missing:?}");
}

#[test]
fn difference_makes_the_page_fail() {
    let mut report = tiny();
    let verdict = |report: &Report| {
        let page = Html::parse_document(&html(report));
        text(select(&page, ".verdict")[0])
    };
    assert!(verdict(&report).starts_with("Pass."), "{}", verdict(&report));
    report.rungs[1].result.as_mut().expect("it ran").differing = 1;
    assert!(verdict(&report).starts_with("Fail."), "{}", verdict(&report));
    report.rungs[1].result = None;
    assert!(verdict(&report).starts_with("Not checked."), "{}", verdict(&report));
}

#[test]
fn bound_that_does_not_hold_makes_the_page_fail_and_is_named() {
    let mut report = tiny();
    let bound = |passed| Bound {
        by: "verify".to_owned(),
        name: "network.accuracy".to_owned(),
        detail: "75.0 %, at least 80.0 %".to_owned(),
        passed,
    };
    let shown = |report: &Report| {
        let page = Html::parse_document(&html(report));
        let verdicts: Vec<_> = select(&page, ".verdict").into_iter().map(text).collect();
        (verdicts, text(select(&page, ".bounds li")[0]))
    };
    report.bounds = vec![bound(false)];
    let (verdicts, line) = shown(&report);
    assert_eq!(verdicts, ["Fail. network.accuracy (verify): 75.0 %, at least 80.0 %."]);
    assert!(line.ends_with("FAIL"), "{line}");
    report.bounds = vec![bound(true)];
    let (verdicts, line) = shown(&report);
    assert!(verdicts[0].starts_with("Pass."), "{verdicts:?}");
    assert!(line.ends_with("holds"), "{line}");
}

#[test]
fn same_report_gives_the_same_bytes_and_they_say_this() {
    let report = tiny();
    assert_eq!(html(&report), html(&report));
    let page = Html::parse_document(&html(&report));
    let section =
        |id: &str| rows(&page, id).iter().map(|row| row.join(" | ") + "\n").collect::<String>();
    expect![[r#"
        network | network | not measured
        cycle-sim | simulator | sim | 4 | 75.0 % |  | – | 36 tensors | 0 | pass
        rtl | RTL | not measured
        stem | stem | 4×4×8 | 16,000 | 1,020 | 1,020 | not measured | 50.0 %
        a<b>&"c" | binary | 4×4×8 | 3,200 | 240 | 240 | not measured | 50.0 %
        head | head | 4×4×8 | 160 | 15 | 15 | not measured | 50.0 %
        send |  | 10 logits |  | 12 | 12 | not measured | 
        total |  |  | 19,360 | 1,287 | 1,287 | not measured | 47.0 %
        weight | 2 × 8 | 64 | 48 |  | 75.0 % | 1,024
        all |  |  |  |  |  | 1,024
        LUT4 | 900 | 1,000 |  | 90.0 %
        clock, MHz | 50 assumed |  |  | 
    "#]]
    .assert_eq(
        &(section("#ladder")
            + &section("#layers")
            + &section("#memories")
            + &section("#resources")),
    );
    expect!["SummaryPass. Nothing differs on cycle-sim (sim).Accuracy simulator75.0 %3 of 4 imagesCycles an image simulator1,2871,287 predictedUtilisation predicted47.0 %of 32 bMAC a cycle, stem and head included; binary layers 41.7 %Memory predicted1 kbitin all memories of the acceleratorFullest resource predicted90.0 %of the LUT4 that it may take of boardNot measurednetwork: run network measures itrtl: run rtl measures itresources and clock after place-and-route: heartbit pnr BUILD --board NAME measures them, of a build with a link (--uart)a board: nothing here was measured on one"].assert_eq(&text(select(&page, "#summary")[0]));
}

/// A design whose clock reaches this many MHz of 20.
fn placed(reached_mhz: f64) -> Placed {
    let resource = |name: &str, cell: &str, estimated, used, available| PlacedResource {
        name: name.to_owned(),
        cell: cell.to_owned(),
        estimated,
        used,
        available,
    };
    let clock = |name: &str, reached_mhz, asked_mhz| PlacedClock {
        name: name.to_owned(),
        reached_mhz,
        asked_mhz,
    };
    Placed {
        board: "small".to_owned(),
        device: "D1".to_owned(),
        seed: 3,
        resources: vec![
            resource("logic", "LC", Some(900), 950, 1_000),
            resource("flip-flops", "", None, 0, 0),
        ],
        clocks: vec![clock("fast", 90.0, 40.0), clock("array", reached_mhz, 20.0)],
        slowest: Some("The slowest path is long".to_owned()),
        bitstream: (reached_mhz >= 20.0).then(|| "top.bin".to_owned()),
        tools: vec!["yosys 1".to_owned(), "nextpnr 2".to_owned()],
    }
}

#[test]
fn placed_design_has_its_cells_and_clocks() {
    let page = Html::parse_document(&html(&Report { placed: Some(placed(25.0)), ..tiny() }));
    assert_eq!(page.errors, Vec::<String>::new());
    let shown = text(select(&page, "#resources")[0]);
    let table = rows(&page, "#resources");
    let all: String = table[2..].iter().map(|row| row.join(" | ") + "\n").collect();
    expect![[r"
        logic (LC) | 900 | 950 | 1,000 |  | 95.0 %
        flip-flops | – | not counted | – |  | –
        fast | 90.00 | 40.00 | met
        array | 25.00 | 20.00 | met
    "]]
    .assert_eq(&all);
    for word in ["small (D1)", "seed 3", "path is long", "pnr/small/top.bin", "yosys 1; nextpnr 2"]
    {
        assert!(shown.contains(word), "`{word}` is not in: {shown}");
    }
    let summary = text(select(&page, "#summary")[0]);
    assert!(
        summary.contains("Clock place-and-route25.00 MHz20.00 MHz asked, on small"),
        "{summary}"
    );
    assert!(!summary.contains("heartbit pnr"), "{summary}");
    assert!(summary.contains("Pass."), "{summary}");
}

#[test]
fn timing_that_is_missed_makes_the_page_fail() {
    let mut report = Report { placed: Some(placed(19.0)), ..tiny() };
    let verdicts = |report: &Report| -> Vec<String> {
        let page = Html::parse_document(&html(report));
        select(&page, ".verdict").into_iter().map(text).collect()
    };
    assert_eq!(verdicts(&report), ["Fail. Timing is missed on small."]);
    let page = html(&report);
    assert!(page.contains("missed") && page.contains("No bitstream"), "{page}");
    report.rungs[1].result.as_mut().expect("it ran").differing = 1;
    assert_eq!(verdicts(&report).len(), 2);
}
