#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests docs/graph.schema.json and the loader against each other.

usage: check-schema.py SCHEMA LOADER CASES PAGE

CASES has a description a line in a JSON array of {"case", "schema", "loader", "text"}: whether the
schema takes the text, whether the loader does, and the pointer of the loader's problem. Where only one
of the two refuses, "why" says why the other cannot know. From each good one, wrong ones are made by
putting a value of another type at each place; what the schema refuses the loader has to refuse too,
and what the loader refuses for its form the schema has to refuse. The examples of PAGE are good ones.
"""

import copy
import json
import re
import subprocess
import sys

import jsonschema

schema_file, loader, cases_file, page_file = sys.argv[1:]
with open(schema_file, encoding='utf-8') as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
with open(cases_file, encoding='utf-8') as file:
    cases = json.load(file)

failures = []
checked = 0


class Loader:
    """The program that loads one description a line, and answers with one line each."""

    def __init__(self):
        self.process = subprocess.Popen([loader], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, encoding='utf-8')

    def problems(self, text):
        self.process.stdin.write(text.replace('\n', ' ') + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


the_loader = Loader()


def schema_takes(value):
    return validator.is_valid(value)


def expect(what, condition, text):
    global checked
    checked += 1
    if not condition:
        failures.append(f'{what}: {text}')


def places(value, path=()):
    """Every place of the value, by its path."""
    yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, path + (name,))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from places(element, path + (index,))


def replaced(value, path, new):
    if not path:
        return new
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return value


good = []
for case in cases:
    text = case['text'] if isinstance(case['text'], str) else json.dumps(case['text'])
    problems = the_loader.problems(text)
    expect(f"{case['case']}: loader", (not problems) == case['loader'], f'{text} -> {problems}')
    if 'pointer' in case:
        expect(f"{case['case']}: pointer", [p['pointer'] for p in problems] == [case['pointer']],
               f'{text} -> {problems}')
    try:
        value = json.loads(text)
    except ValueError:
        expect(f"{case['case']}: JSON", not case['schema'], text)
        continue
    expect(f"{case['case']}: schema", schema_takes(value) == case['schema'], text)
    expect(f"{case['case']}: why", case['schema'] == case['loader'] or 'why' in case, text)
    if case['schema'] and case['loader']:
        good.append((case['case'], value))

with open(page_file, encoding='utf-8') as file:
    examples = re.findall(r'^```json\n(.*?)^```', file.read(), re.MULTILINE | re.DOTALL)
expect('the examples of the page', len(examples) >= 3, len(examples))
for text in examples:
    value = json.loads(text)
    expect('an example of the page: loader', not the_loader.problems(text), text)
    expect('an example of the page: schema', schema_takes(value), text)
    good.append(('an example of the page', value))

# Words by which the loader says that something is of a wrong form, which a schema can know.
FORM = ('it must be ', 'must be an object', 'is not one of', "has no 'type'", "has no 'from'",
        "has no 'to'", 'is empty', 'out of the range from 0', 'holds no ')
for name, value in good:
    for path in places(value):
        for new in (None, True, -1, 1.5, 'no such', '', [], {}, [1], {'x': 1}):
            wrong = replaced(value, path, new)
            by_schema = schema_takes(wrong)
            problems = the_loader.problems(json.dumps(wrong))
            # A template's nodes are read only where it is used, and with its parameters.
            in_template = len(path) > 2 and path[0] == 'templates' and path[2] not in ('params', 'description')
            if not by_schema and not in_template:
                expect(f'{name}: {path} = {new!r} taken by the loader', problems, wrong)
            form = [p for p in problems if any(word in p['reason'] for word in FORM)
                    and not p['pointer'].startswith('/templates/')
                    and '/params' not in p['pointer']]
            if form:
                expect(f'{name}: {path} = {new!r} taken by the schema', not by_schema,
                       f'{wrong} -> {form}')

the_loader.process.stdin.close()
the_loader.process.wait()
print(f'{checked} checks, {len(failures)} failures')
for failure in failures[:30]:
    print(failure)
sys.exit(1 if failures else 0)
