"""Where targets come from: lists in files, processes, name servers, Kubernetes.

Every way of finding them ends in the same values (`found`); visiting them is not done here.
"""
