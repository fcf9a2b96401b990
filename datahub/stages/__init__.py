"""The stages in the order of the flow, one public function each; no stage imports another.

register -> receive -> detect -> validate -> screen -> review -> release
"""
