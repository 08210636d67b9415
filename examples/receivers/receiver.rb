require "standardwebhooks"

WEBHOOK = StandardWebhooks::Webhook.new(ENV.fetch("WEBHOOK_SECRET"))

class HooksController < ApplicationController
  skip_before_action :verify_authenticity_token

  def create
    data = WEBHOOK.verify(request.raw_post, request.headers)
    HandleOrder.perform_later(request.headers["webhook-id"], data)
    head :no_content
  rescue JSON::ParserError # verified, but an event may have no data
    HandleOrder.perform_later(request.headers["webhook-id"], nil)
    head :no_content
  rescue StandardWebhooks::WebhookVerificationError
    head :unauthorized
  end
end
