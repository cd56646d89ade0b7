"""Reads CSV files with Python's csv module, strictly: one JSON line in (base64 of a file), one out.

Out: a list of [line, fields] for each record, with the line (from 1) where it begins; fields is null where the reader
refuses what begins there. Lines without any character are left out.
"""

import base64
import csv
import io
import json
import sys

csv.field_size_limit(1 << 30)


def read(data: bytes) -> list:
    text = io.StringIO(data.decode("utf-8-sig", errors="surrogateescape"), newline="")
    reader = csv.reader(text, strict=True)
    records = []
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return records
        except csv.Error:
            records.append([line, None])
            continue
        if fields:
            records.append([line, fields])


for request in sys.stdin:
    answer = read(base64.b64decode(json.loads(request)))
    print(json.dumps(answer), flush=False)
