"""Tests of prepared folders."""
