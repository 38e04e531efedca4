"""Engines, one a file, found by file name.

A backend module has SUFFIXES (file endings it reads), REMEDY (what to type when its engine is
missing), check_installed() (raises ImportError) and open_session(path, card, device, threads).
"""
