import json

from kseg.cli.info import main


def test_the_table_and_the_json(capsys):
    main([])
    text = capsys.readouterr().out
    assert text.startswith("kseg: ") and "\n  numpy: " in text and "\ncache:\n" in text
    main(["--json", "-"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"]["numpy"] in text
