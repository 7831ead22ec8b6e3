// Command tiny is as small as Go gets: its executable is damaged in many ways by tests.
package main

type node struct {
	next  *node
	label string
	flags [3]bool
}

var kept any

func main() {
	var list *node
	for i := 0; i < 3; i++ {
		list = &node{next: list, label: "kept"}
	}
	kept = list
	println("done")
}
