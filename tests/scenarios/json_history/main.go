// Json_history decodes events without a type and keeps the last of every device; a device gets a
// new id each time it starts.
//
//truth:service verdict=leak trap=cache ops=2000 op=1600
//truth:site mark=decode function=main.decode leaf=no leaves=reflect.*,encoding/json.*,encoding/json/* holder=main.history cause=main.receive
package main

import (
	"encoding/json"
	"fmt"
	"log"

	"memsnap.test/scenarios/internal/bench"
)

const event = `{"device": "%d", "state": {"mode": "heating", "target": 21.5, "valve": 40},
	"readings": [{"sensor": "indoor", "value": 20.1}, {"sensor": "outdoor", "value": 3.7}]}`

var history = map[string]map[string]any{}

func decode(text []byte) map[string]any {
	event := map[string]any{}
	if err := json.Unmarshal(text, &event); err != nil { // site: decode
		log.Fatal(err)
	}
	return event
}

func receive(text []byte) {
	event := decode(text)
	history[event["device"].(string)] = event // cause
}

func main() {
	bench.Main(func(i int) {
		receive([]byte(fmt.Sprintf(event, i)))
		bench.Keep(1, 1_600) // about
	})
}
