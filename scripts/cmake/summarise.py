"""Reads ctest's JUnit report and prints the counts, the slowest tests and the reason of each skip, one in each line."""
import re
import sys
import xml.etree.ElementTree as xml

cases = xml.parse(sys.argv[1]).getroot().findall("testcase")
verdicts = {case: case.get("status") for case in cases}
failed = [case for case in cases if case.find("failure") is not None]
skipped = [case for case in cases if case.find("skipped") is not None or verdicts[case] == "notrun"]
passed = len(cases) - len(failed) - len(skipped)
slow = sorted(cases, key=lambda case: -float(case.get("time")))[:3]
slowest = ", ".join(f"{case.get('name')} {float(case.get('time')):.0f} s" for case in slow if float(case.get("time")) >= 1)

print(f"= {passed} passed, {len(failed)} failed, {len(skipped)} skipped" + (f"; slowest: {slowest}" if slowest else ""))
for case in failed:
    print(f"= failed: {case.get('name')}")
for case in skipped:
    reason = re.search(r"skipped: (.*)", case.findtext("system-out", ""))
    print(f"= skipped: {case.get('name')}: {reason.group(1) if reason else 'no reason given'}")
sys.exit(bool(failed) or not cases)
