"""Kernels in ARMv7E-M assembly, written for one layer each: its shape, weights and factors are constants.

A generator takes a frozen description of a layer and a symbol, and answers with a GeneratedKernel, or raises
a Refusal where its arithmetic would not be exact for these weights. What a generated kernel computes is what
the portable kernel of that operator in firmware/kernels computes, bit for bit.
"""
