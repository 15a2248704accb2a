"""Small faults, one at a time, in what decides about money: does a test notice? (`make mutation`)"""
