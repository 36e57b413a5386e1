//! The ladder as a test report that every CI system reads.

use super::Report;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// What the test cases are of.
const CLASS: &str = "heartbit.verify";

/// Writes a report as `JUnit` XML: one test case a check; what was not compared is skipped ones.
pub(crate) fn xml(report: &Report) -> String {
    let subject = &report.subject;
    let shard = report.shard.map_or(String::new(), |shard| format!(" shard {shard}"));
    let name = format!("heartbit verify {} {}{shard}", subject.arch, subject.array);
    let mut suite = TestSuite::new(name);
    for check in report.checks() {
        let mut case = case(&check.name, check.passed, &check.detail);
        case.set_time(Duration::from_secs_f64(check.seconds.max(0.0)));
        suite.add_test_case(case);
    }
    for what in &report.not_compared {
        let mut status = TestCaseStatus::skipped();
        status.set_message("not compared");
        let mut case = TestCase::new(what.clone(), status);
        case.set_classname(CLASS);
        suite.add_test_case(case);
    }
    document(suite)
}

/// A test case of something that holds or does not.
pub(crate) fn case(name: &str, passed: bool, detail: &str) -> TestCase {
    let status = if passed {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(detail);
        status
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(CLASS);
    case.set_system_out(detail);
    case
}

/// The report that has one suite.
pub(crate) fn document(suite: TestSuite) -> String {
    let mut all = quick_junit::Report::new("heartbit");
    all.add_test_suite(suite);
    all.to_string().expect("bug: written to memory")
}
