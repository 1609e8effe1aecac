"""Fixed point functions as gemmlowp computes them, which TFLite Micro's int8 LOGISTIC, TANH and SOFTMAX use.

A number is an int32 with some integer bits and the rest as fraction: Q0.31 holds [-1, 1), Q4.27 [-16, 16).
All arrays are int64 with values within int32. firmware/kernels/softmax.c has the same exponential in C.
"""

from __future__ import annotations

import numpy as np

INT32_MAX = 2**31 - 1
ONE = INT32_MAX  # in Q0.31, which cannot hold 1

# exp(-1/4), exp(-1/2), ..., exp(-16) in Q0.31: rounded from math.exp, as gemmlowp's constants are.
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_OF_MINUS_EIGHTH = 1895147668
_THIRD = 715827883
_48_OVER_17, _MINUS_32_OVER_17 = 1515870810, -1010580540  # in Q2.29


def multiplied(a: np.ndarray | int, b: np.ndarray | int) -> np.ndarray:
    """The product of two fixed point numbers, rounded to nearest, ties up; their integer bits add up."""
    return np.asarray((np.asarray(a, np.int64) * b + (1 << 30)) >> 31)


def halved(x: np.ndarray, times: int) -> np.ndarray:
    """x / 2^times, rounded to nearest, ties away from zero."""
    if times == 0:
        return x
    return (((x - (x < 0)) >> (times - 1)) + 1) >> 1


def doubled(x: np.ndarray, times: int) -> np.ndarray:
    """x * 2^times, saturated to int32."""
    return np.clip(x << times, -(2**31), INT32_MAX)


def exp_of_negative(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """exp(x) in Q0.31 for x <= 0 with up to 5 integer bits.

    A polynomial of degree four around -1/8 for what is left of x within a quarter, times a power for each
    bit of the rest.
    """
    quarter = 1 << (29 - integer_bits)
    part = (x & (quarter - 1)) - quarter  # in [-1/4, 0)
    rest = part - x
    a = doubled(part, integer_bits) + (1 << 28)  # Q0.31, around -1/8
    square = multiplied(a, a)
    cube, fourth = multiplied(square, a), multiplied(square, square)
    tail = halved(multiplied(halved(fourth, 2) + cube, _THIRD) + square, 1)
    result = _EXP_OF_MINUS_EIGHTH + multiplied(_EXP_OF_MINUS_EIGHTH, a + tail)
    for bit, power in enumerate(_POWERS[: integer_bits + 2]):
        result = np.where(rest & (quarter << bit), multiplied(result, power), result)
    return np.where(x == 0, ONE, result)


def logistic(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """1 / (1 + exp(-x)) in Q0.31."""
    positive = reciprocal_of_one_plus(exp_of_negative(-np.abs(x), integer_bits))
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, ONE - positive))


def tanh(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """(1 - exp(-2x)) / (1 + exp(-2x)) in Q0.31, for up to 4 integer bits."""
    exponential = exp_of_negative(-np.abs(x), integer_bits + 1)  # the same bits with the point one further
    positive = doubled(_twice_reciprocal(exponential) - (1 << 29), 2)
    return np.where(x == 0, 0, np.where(x > 0, positive, -positive))


def reciprocal_of_one_plus(x: np.ndarray) -> np.ndarray:
    """1 / (1 + x) in Q0.31 for x in [0, 1) in Q0.31."""
    return doubled(_twice_reciprocal(x), 1)


def _twice_reciprocal(x: np.ndarray) -> np.ndarray:
    """2 / (1 + x) in Q2.29 for x in [0, 1) in Q0.31: three Newton steps."""
    half = (x + ONE + 1) >> 1  # (1 + x) / 2
    guess = _48_OVER_17 + multiplied(half, _MINUS_32_OVER_17)
    for _ in range(3):
        error = (1 << 29) - multiplied(half, guess)
        guess = guess + doubled(multiplied(guess, error), 2)
    return guess
