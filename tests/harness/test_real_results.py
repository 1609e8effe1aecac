"""Real numbers in integer arithmetic: answer.c as a library, compared with exact fractions."""

import ctypes
import subprocess
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcu_nas.resources import firmware_dir
from tests.harness.toy_device import HERE, INCLUDES, WARNINGS


class Tensor(ctypes.Structure):
    """struct mcu_tensor of firmware/kernels/mcu_model.h."""

    _fields_ = (
        ("encoding", ctypes.c_int),
        ("offset", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
        ("zero_point", ctypes.c_int32),
        ("scale_mantissa", ctypes.c_int32),
        ("scale_shift", ctypes.c_int32),
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("answer") / "answer.so"
    sources = (firmware_dir() / "harness" / "answer.c", HERE / "captured_port.c")
    # Without the address sanitizer, whose runtime Python would have to be started with.
    flags = ("-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-shared", "-fPIC")
    compiler = ("gcc", "-std=c11", *WARNINGS, *flags)
    subprocess.run([*compiler, *INCLUDES, *sources, "-o", target], check=True)
    return ctypes.CDLL(str(target))


def written(answers: ctypes.CDLL) -> str:
    size = ctypes.c_uint32.in_dll(answers, "captured_bytes")
    text = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(answers, "captured")), size.value)
    size.value = 0
    return text.decode()


def three_decimals(value: Fraction) -> str:
    thousandths = int(abs(value) * 1000 + Fraction(1, 2))  # half away from zero
    thousandths = min(thousandths, 2**63 - 1)
    sign = "-" if value < 0 and thousandths else ""
    return f"{sign}{thousandths // 1000}.{thousandths % 1000:03}"


int8 = st.integers(-128, 127)


@given(int8, int8, st.integers(2**30, 2**31 - 1), st.integers(-40, 100))
@example(127, -128, 2**31 - 1, -12)
@example(-128, 127, 2**31 - 1, 62)
@example(-128, 127, 2**31 - 1, 63)
@example(1, 0, 2**30, 31)  # 0.500
@example(-1, 0, 2**30, 40)  # -0.0009765625: rounds to -0.001
@example(-1, 0, 2**30, 42)  # -0.000244: no "-0.000"
@example(-1, 0, 2**30, -2147483648)
def test_results_equal_exact_fractions_to_three_decimals(
    answers: ctypes.CDLL, q: int, zero_point: int, mantissa: int, shift: int
) -> None:
    tensor = Tensor(bytes=1, zero_point=zero_point, scale_mantissa=mantissa, scale_shift=shift)
    answers.answer_real(ctypes.c_int8(q), ctypes.byref(tensor))
    if shift < -1000:
        assert written(answers) == "-9223372036854775.807"
        return
    exact = (q - zero_point) * mantissa / Fraction(2) ** shift
    assert written(answers) == three_decimals(exact)


@given(st.integers(0, 2**64 - 1))
@example(0)
@example(2**64 - 1)
def test_numbers_are_written_in_decimal(answers: ctypes.CDLL, number: int) -> None:
    answers.answer_number(ctypes.c_uint64(number))
    assert written(answers) == str(number)
