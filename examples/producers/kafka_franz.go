package main

import (
	"cmp"
	"context"
	"log"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	// Idempotent, acks=all and murmur2 are franz-go's defaults.
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("KAFKA")))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	event := &kgo.Record{
		Topic: cmp.Or(os.Getenv("EVENTS_TOPIC"), "hooklane.events"),
		Key:   []byte("acme"), // the subscriber
		Value: []byte(`{"order": 4718}`),
		Headers: []kgo.RecordHeader{
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: []byte("order-4718-paid")},
			{Key: "ce_source", Value: []byte("/shop")},
			{Key: "ce_type", Value: []byte("order.paid")},
			{Key: "content-type", Value: []byte("application/json")},
		},
	}
	if err := client.ProduceSync(context.Background(), event).FirstErr(); err != nil {
		log.Fatal(err)
	}
}
