"""Transcendental functions that a compiler can vectorise: polynomials and bit patterns, no calls.

Called in a plain loop over contiguous arrays they compile to the widest registers of the
machine. The fast ones follow the part-scale microstructure paper (arXiv 2402.17580, section 3.3,
after Malossi et al. 2014): exp to 1.2e-10, log2 to 5.4e-10 absolute. The accurate ones are good
to two units in the last place. All are branch-free, and a result depends on nothing but the
argument: every rounding, also of the fused products, is fixed. The exponentials keep a NaN; the
logarithms read the bits of a normal positive number and take anything else for one.
"""

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453
LN_2_HIGH = 6.93147180369123816490e-01  # the leading 33 bits: its product with an exponent is exact
LN_2_LOW = 1.90821492927058770002e-10

SHIFT = 6755399441055744.0  # 1.5 * 2^52: x + SHIFT holds the nearest integer of x in its last bits
LARGEST = 1023.0  # exponents of the largest and of the smallest normal number
SMALLEST = -1022.0 + 1.8e-10  # 2^f comes out up to 1.2e-10 too small: no less is normal
EXPONENT_BITS = np.int64(52)
MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
ONE = np.int64(0x3FF0000000000000)  # the bits of 1.0
TWO_52 = np.int64(0x4330000000000000)  # the bits of 2^52, where the last bit counts ones
TWO_52_AND_BIAS = 4503599627371519.0  # 2^52 + 1023
HALF_ROOT = np.int64(0x3FE6A09E667F3BCD)  # the bits of sqrt(1/2)

# K(f) = 1 + f - 2^f on [0, 1): degree 7, the paper's table 4 as published in ExaDG
K = (
    1.21307181188968e-10, 0.30685281026575, -0.240226342399359, -0.0555053313414954,
    -0.0096135243288483, -0.00134288475963084, -0.000143131744483589, -2.1595656126349e-05,
)  # fmt: skip
# log2(1 + m) on [0, 1): degree 11, least squares over 1000 equidistant points
L = (
    5.35749860576020075e-10, 1.44269495097288059e+00, -7.21343871458878350e-01,
    4.80834063098175946e-01, -3.60055780004742143e-01, 2.84884713754978869e-01,
    -2.26161529441804732e-01, 1.67324314309479361e-01, -1.04442549075911578e-01,
    4.88401540482336430e-02, -1.46348479478249898e-02, 2.06038159544535060e-03,
)  # fmt: skip


def fma(a: float, b: float, c: float) -> float:
    """a b + c, rounded once when compiled (twice in plain Python)."""
    return a * b + c


@intrinsic
def _fused(typing, a, b, c):
    def emit(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), emit


@overload(fma, jit_options={"forceinline": True})
def _compiled_fma(a, b, c):
    return lambda a, b, c: _fused(a, b, c)


@njit(cache=True, forceinline=True)
def exp2(y: float) -> float:
    """2^y, y = i + f, by 2^f = 1 + f - K(f) and i added to the exponent; relative error 1.3e-10.

    Exponents beyond [SMALLEST, LARGEST] are clamped: 2^y is never 0, denormal or infinite.
    """
    y = SMALLEST if y < SMALLEST else y
    y = LARGEST if y > LARGEST else y
    return exp2_normal(y)


@njit(cache=True, forceinline=True)
def exp2_normal(y: float) -> float:
    """2^y as by exp2, for an y known to lie in [SMALLEST, LARGEST]."""
    whole = (y - 0.5) + SHIFT
    f = y - (whole - SHIFT)
    f2 = f * f
    low = fma(fma(K[3], f, K[2]), f2, fma(K[1], f, K[0]))
    high = fma(fma(K[7], f, K[6]), f2, fma(K[5], f, K[4]))
    significand = (1.0 + f) - fma(high, f2 * f2, low)
    return _scaled(significand, whole)


@njit(cache=True, forceinline=True)
def exp(x: float) -> float:
    """e^x = 2^(x log2 e), relative error 1.3e-10 (|x| < 700); clamped like exp2."""
    return exp2(x * LOG2_E)


@njit(cache=True, forceinline=True)
def log2(x: float) -> float:
    """log2 x = exponent + polynomial in the mantissa; absolute error 5.4e-10.

    For normal x > 0. At 0 it gives -1023; a negative x gives the logarithm of its size.
    """
    bits = np.float64(x).view(np.int64)
    m = np.int64((bits & MANTISSA) | ONE).view(np.float64) - 1.0
    biased = np.int64(((bits >> EXPONENT_BITS) & np.int64(0x7FF)) | TWO_52).view(np.float64)
    m2 = m * m
    m4 = m2 * m2
    low = fma(fma(L[3], m, L[2]), m2, fma(L[1], m, L[0]))
    middle = fma(fma(L[7], m, L[6]), m2, fma(L[5], m, L[4]))
    high = fma(fma(L[11], m, L[10]), m2, fma(L[9], m, L[8]))
    return fma(fma(high, m4, middle), m4, low) + (biased - TWO_52_AND_BIAS)


@njit(cache=True, forceinline=True)
def log(x: float) -> float:
    """ln x = ln 2 log2 x, absolute error 3.8e-10, for normal x > 0."""
    return LN_2 * log2(x)


@njit(cache=True, forceinline=True)
def pow(x: float, a: float) -> float:
    """x^a = 2^(a log2 x) for x >= 0; relative error below 1e-9 |a| + 2e-10.

    0^a gives 2^(-1023 a), not 0: 5e-186 for a = 0.6.
    """
    return exp2(a * log2(x))


@njit(cache=True, forceinline=True)
def exp_accurate(x: float) -> float:
    """e^x with a relative error below 2.3e-16; 2^-1022 below x = -708.4, about 1.6e308 above 709.

    e^x = 2^i e^r with i the integer nearest to x log2 e, so that |r| <= ln 2 / 2, and the
    Taylor sum of e^r up to r^13 (remainder 5e-18).
    """
    x = -708.39 if x < -708.39 else x
    x = 709.0 if x > 709.0 else x
    whole = x * LOG2_E + SHIFT
    i = whole - SHIFT
    r = fma(-i, LN_2_LOW, fma(-i, LN_2_HIGH, x))
    r2 = r * r
    r4 = r2 * r2
    low = fma(fma(r, 1 / 120, 1 / 24), r2, fma(r, 1 / 6, 1 / 2))
    middle = fma(fma(r, 1 / 362880, 1 / 40320), r2, fma(r, 1 / 5040, 1 / 720))
    high = fma(fma(r, 1 / 6227020800, 1 / 479001600), r2, fma(r, 1 / 39916800, 1 / 3628800))
    return _scaled(1.0 + fma(fma(fma(high, r4, middle), r4, low), r2, r), whole)


@njit(cache=True, forceinline=True, error_model="numpy")
def log_accurate(x: float) -> float:
    """ln x with a relative error below 4e-16, for normal x > 0.

    x = 2^i m with m in [sqrt(1/2), sqrt 2) and ln m = 2 artanh t, t = (m - 1)/(m + 1), by its
    series up to t^19 (|t| <= 0.172, remainder 2e-18).
    """
    bits = np.float64(x).view(np.int64)
    above = bits - HALF_ROOT
    m = np.int64((above & MANTISSA) + HALF_ROOT).view(np.float64)
    # the exponent can be negative: the arithmetic shift keeps the sign, + 1023 makes it a count
    biased = np.int64(((above >> EXPONENT_BITS) + np.int64(1023)) | TWO_52).view(np.float64)
    i = biased - TWO_52_AND_BIAS
    t = (m - 1.0) / (m + 1.0)
    s = t * t
    s2 = s * s
    low = fma(fma(s, 2 / 9, 2 / 7), s2, fma(s, 2 / 5, 2 / 3))
    high = fma(fma(s, 2 / 17, 2 / 15), s2, fma(s, 2 / 13, 2 / 11))
    series = fma(fma(s2 * s2, 2 / 19, high), s2 * s2, low) * s
    return fma(i, LN_2_HIGH, fma(t, 2.0, fma(t, series, i * LN_2_LOW)))


@njit(cache=True, forceinline=True)
def _scaled(significand: float, whole: float) -> float:
    """significand 2^i, the integer i standing in the last bits of whole = i + SHIFT."""
    exponent = np.float64(whole).view(np.int64) << EXPONENT_BITS
    return np.int64(np.float64(significand).view(np.int64) + exponent).view(np.float64)
