"""The workloads by each library, one library a file.

A function of a file makes a workload ready, and returns a call that does it once and returns its
loss or its tokens. Each library is used at its best, as its documentation has it.
"""
