"""Write the document twice: for people, and for the proxy to serve.

make openapi
"""

import json

from openapi.document import document
from openapi.files import FOR_PEOPLE, SERVED, as_json, as_yaml


def main() -> None:
    made = document()
    FOR_PEOPLE.write_text(as_yaml(made), encoding="utf-8")
    SERVED.write_text(as_json(made), encoding="utf-8")
    operations = sum(len(methods) for methods in made["paths"].values())
    print(json.dumps({"operations": operations, "written": [str(FOR_PEOPLE.name), str(SERVED.name)]}))


if __name__ == "__main__":
    main()
